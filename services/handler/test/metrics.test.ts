import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { LANES, RetryableError, success } from '@bulk/domain';
import { eventually, Exposition } from '@bulk/testing';
import { createHandlerMetrics } from '../src/metrics.ts';
import { entity, HandlerHarness, idsIn, withActionType } from './harness.ts';

let harness: HandlerHarness;
beforeAll(async () => {
  harness = await HandlerHarness.create({ KAFKA_LAG_INTERVAL_MS: '100' });
});
afterAll(() => harness.installation.dispose());

it('records the outcomes of an action as metrics, with no id in a label', async () => {
  const actionId = randomUUID();
  const tried = new Set<string>();
  await harness.start(
    withActionType('moody', {
      process: ({ id }) => {
        if (tried.has(id)) return Promise.resolve(success());
        tried.add(id);
        throw new RetryableError('not in the mood');
      },
    }),
  );
  const [known, absent, moody] = idsIn(0, 3, 'person-');
  await harness.givenContacts([known!]);
  const set = { lastName: 'After' };
  await harness.publish(
    {
      actionId,
      batchNo: 0,
      partition: 0,
      entities: [entity(0, known!, set), entity(1, absent!, set), entity(2, known!, set)],
    },
    // A second copy of the batch, and one that is tried again.
    {
      actionId,
      batchNo: 0,
      partition: 0,
      entities: [entity(0, known!, set), entity(1, absent!, set), entity(2, known!, set)],
    },
    { actionId, batchNo: 1, partition: 0, actionType: 'moody', entities: [entity(3, moody!, {})] },
  );
  await harness.producer.forward(harness.installation.topics.entityBatches.high, [
    { key: null, value: Buffer.from('nonsense'), partition: 1, headers: {} },
  ]);
  await harness.awaitResults(2, actionId);

  const metrics = await eventually('all batches are done', async () => {
    const exposition = await Exposition.scrape(harness.adminPort);
    const sum = (name: string): number =>
      LANES.reduce((all, consumer) => all + exposition.sum(name, { consumer }), 0);
    const done = sum('bulk_consumer_messages_total') === 4;
    const committed = sum('bulk_consumer_commit_duration_seconds_count');
    const lag = LANES.flatMap((consumer) => exposition.values('bulk_consumer_lag_messages', { consumer }));
    // Three lanes of three partitions, whether or not they received messages.
    return done && committed > 0 && lag.length === 9 && lag.every((n) => n === 0) ? exposition : undefined;
  });

  const lane = 'normal';
  expect(metrics.sum('bulk_handler_batches_total', { lane, end: 'settled' })).toBe(2);
  expect(metrics.sum('bulk_handler_batches_total', { lane, end: 'published-twice' })).toBe(1);
  expect(metrics.sum('bulk_handler_entities_total', { lane, outcome: 'success', code: '' })).toBe(2);
  expect(
    metrics.sum('bulk_handler_entities_total', { lane, outcome: 'failure', code: 'ENTITY_NOT_FOUND' }),
  ).toBe(1);
  expect(
    metrics.sum('bulk_handler_entities_total', { lane, outcome: 'skipped', code: 'DUPLICATE_ENTITY' }),
  ).toBe(1);
  expect(metrics.sum('bulk_dedupe_hits_total', { kind: 'duplicate_entity' })).toBe(1);
  expect(metrics.sum('bulk_dedupe_hits_total', { kind: 'second_copy' })).toBe(1);
  expect(metrics.sum('bulk_handler_retries_total', { reason: 'entity' })).toBe(1);
  expect(metrics.sum('bulk_handler_apply_duration_seconds_count')).toBe(4);
  expect(metrics.sum('bulk_dead_letters_total', { code: 'MALFORMED_MESSAGE' })).toBe(1);
  expect(metrics.sum('bulk_consumer_failures_total', { consumer: 'high' })).toBe(1);
  expect(metrics.values('bulk_ready')).toEqual([1]);
  expect(metrics.values('bulk_consumer_lag_seconds', { consumer: 'retries' })).toEqual(Array(9).fill(0));

  expect(metrics.labelsWith([actionId, known!, absent!, moody!, 'acme'])).toEqual([]);
  const health = { ready: true, report: () => ({ components: {} }) };
  const declared = createHandlerMetrics({ BUILD_VERSION: '', BUILD_REVISION: '', TOPIC_PREFIX: '' }, health)
    .metrics.described;
  for (const { name, type } of declared) expect([name, metrics.types.get(name)]).toEqual([name, type]);
  expect([...metrics.types.keys()]).toContain('nodejs_eventloop_lag_p99_seconds');
});
