import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { ActionProgress } from '@bulk/contracts';
import { eventually, Exposition } from '@bulk/testing';
import { createNotifierMetrics } from '../src/metrics.ts';
import { ACCOUNT, NotifierHarness, TestClient } from './harness.ts';

let harness: NotifierHarness;
beforeAll(async () => {
  harness = await NotifierHarness.create();
});
afterAll(() => harness.installation.dispose());

it('reports connections, subscriptions and frames as metrics', async () => {
  const notifier = await harness.start({
    MAX_CONNECTIONS: '1',
    PROGRESS_HZ: '0.2',
    KAFKA_LAG_INTERVAL_MS: '100',
  });
  const actionId = await harness.givenAction();
  const client = await harness.connect(notifier);
  await client.subscribe(actionId);
  await client.subscribeAccount();
  await expect(TestClient.connect(notifier.url, { headers: { 'x-account-id': ACCOUNT } })).rejects.toThrow();
  // The events come within one interval, one by one, because the feed takes only the newest state
  // of a chunk. Each replaces the last.
  const events: Partial<ActionProgress>[] = [
    { version: 2 },
    { version: 3 },
    { version: 4, status: 'completed', finishedAt: Date.now() },
  ];
  for (const [i, state] of events.entries()) {
    await harness.publish({ actionId, ...state });
    await eventually(`event ${i}`, async () => {
      const exposition = await Exposition.scrape(notifier.adminPort);
      return exposition.sum('bulk_consumer_messages_total') === i + 1;
    });
  }
  await client.awaitVersion(actionId, 4);

  const metrics = await eventually('what was processed', async () => {
    const exposition = await Exposition.scrape(notifier.adminPort);
    const lag = exposition.values('bulk_consumer_lag_messages', { consumer: 'progress' });
    const known = lag.length === 3 && lag.every((n) => n === 0);
    return known && exposition.sum('bulk_consumer_messages_total') === 3 ? exposition : undefined;
  });
  expect(metrics.sum('bulk_progress_age_seconds_count')).toBe(3);
  expect(metrics.sum('bulk_webhook_duration_seconds_count', { result: 'given-up' })).toBe(0);
  expect(metrics.values('bulk_websocket_connections')).toEqual([1]);
  expect(metrics.values('bulk_websocket_subscriptions', { kind: 'action' })).toEqual([1]);
  expect(metrics.values('bulk_websocket_subscriptions', { kind: 'account' })).toEqual([1]);
  expect(metrics.sum('bulk_websocket_connections_opened_total')).toBe(1);
  expect(metrics.sum('bulk_websocket_refused_total', { code: 'TOO_MANY_CONNECTIONS' })).toBe(1);
  expect(metrics.sum('bulk_websocket_frames_sent_total', { event: 'subscribed' })).toBe(1);
  expect(metrics.sum('bulk_websocket_frames_sent_total', { event: 'actionUpdate' })).toBe(
    client.updatesOf(actionId).length,
  );
  expect(metrics.sum('bulk_websocket_frames_dropped_total', { reason: 'interval' })).toBeGreaterThan(0);
  expect(metrics.sum('bulk_websocket_frames_dropped_total', { reason: 'slow_client' })).toBe(0);
  expect(metrics.labelsWith([actionId, ACCOUNT])).toEqual([]);
  const health = { ready: true, report: () => ({ components: {} }) };
  const declared = createNotifierMetrics({ BUILD_VERSION: '', BUILD_REVISION: '', TOPIC_PREFIX: '' }, health)
    .metrics.described;
  for (const { name, type } of declared) expect([name, metrics.types.get(name)]).toEqual([name, type]);

  client.socket.terminate();
  await eventually('it is gone', async () => {
    const exposition = await Exposition.scrape(notifier.adminPort);
    return exposition.values('bulk_websocket_connections')[0] === 0;
  });
});
