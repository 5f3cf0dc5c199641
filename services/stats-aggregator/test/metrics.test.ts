import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { eventually, Exposition } from '@bulk/testing';
import { createStatsAggregatorMetrics } from '../src/metrics.ts';
import { AggregatorHarness } from './harness.ts';

let harness: AggregatorHarness;
beforeAll(async () => {
  harness = await AggregatorHarness.create();
});
afterAll(() => harness.installation.dispose());

const scraped = (what: string, done: (exposition: Exposition) => boolean): Promise<Exposition> =>
  eventually(what, async () => {
    const exposition = await Exposition.scrape(harness.adminPort);
    return done(exposition) ? exposition : undefined;
  });

it('reports counted results, repetitions and ended actions as metrics', async () => {
  const actionId = randomUUID();
  await harness.givenAction(actionId, 20);
  await harness.start();
  await harness.publish(
    harness.result(actionId, 0),
    harness.result(actionId, 0),
    harness.result(actionId, 1),
  );
  await harness.publish(harness.result(randomUUID(), 0));
  await harness.awaitStatus(actionId, 'completed');

  const metrics = await scraped('commits', (exposition) => {
    const messages = exposition.sum('bulk_consumer_messages_total', { consumer: 'results' });
    return messages === 4 && exposition.sum('bulk_consumer_commit_duration_seconds_count') > 0;
  });
  expect(metrics.sum('bulk_stats_batches_total')).toBe(2);
  const outcomes = ['success', 'failure', 'skipped'].map((outcome) =>
    metrics.sum('bulk_stats_outcomes_total', { outcome }),
  );
  expect(outcomes).toEqual([11, 7, 2]);
  expect(metrics.sum('bulk_stats_actions_finished_total', { status: 'completed' })).toBe(1);
  expect(metrics.sum('bulk_stats_action_duration_seconds_count', { size: 'small' })).toBe(1);
  expect(metrics.sum('bulk_stats_action_duration_seconds_count', { size: 'large' })).toBe(0);
  expect(metrics.sum('bulk_stats_account_duration_seconds_count')).toBeGreaterThan(0);
  expect(metrics.sum('bulk_dedupe_hits_total', { kind: 'second_copy' })).toBe(1);
  expect(metrics.sum('bulk_dead_letters_total', { code: 'ACTION_NOT_FOUND' })).toBe(1);
  expect(metrics.values('bulk_consumer_lag_seconds', { consumer: 'results' })).toEqual([0, 0, 0]);
  expect(metrics.labelsWith([actionId, 'acme'])).toEqual([]);

  const health = { ready: true, report: () => ({ components: {} }) };
  const identity = { BUILD_VERSION: '', BUILD_REVISION: '', TOPIC_PREFIX: '' };
  const declared = createStatsAggregatorMetrics(identity, health).metrics.described;
  for (const { name, type } of declared) expect([name, metrics.types.get(name)]).toEqual([name, type]);

  await harness.stop();
  await harness.rewind();
  await harness.start();
  const again = await scraped('the redelivery', (exposition) => {
    const read = exposition.values('bulk_dead_letters_waiting').length > 0;
    return read && exposition.sum('bulk_consumer_messages_total') === 4;
  });
  expect(again.sum('bulk_dedupe_hits_total', { kind: 'redelivered_result' })).toBe(3);
  expect(again.sum('bulk_stats_batches_total')).toBe(0);
  expect(again.values('bulk_dead_letters_waiting')).toEqual([1]);
  expect(again.values('bulk_dead_letters_oldest_seconds')[0]).toBeLessThan(300);
  expect(again.values('bulk_retention_seconds')).toEqual([604_800]);
});
