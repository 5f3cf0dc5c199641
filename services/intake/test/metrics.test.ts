import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { eventually, Exposition } from '@bulk/testing';
import { createIntakeMetrics } from '../src/metrics.ts';
import { entitiesOf, IntakeHarness } from './harness.ts';

let harness: IntakeHarness;
beforeAll(async () => {
  harness = await IntakeHarness.create();
  await harness.start({ RATE_LIMIT_ACCOUNTS: 'greedy=1' });
});
afterAll(() => harness.installation.dispose());

it('reports requests by pattern and status, acceptance and dispatch as metrics', async () => {
  const action = { actionType: 'update', entityType: 'contact', entities: entitiesOf(25) };
  const key = { 'idempotency-key': 'once' };
  const { body } = await harness.post(action, key);
  const actionId = String(body.data!['actionId']);
  expect((await harness.post(action, key)).headers.get('idempotency-replayed')).toBe('true');
  expect((await harness.post({ ...action, entities: [] })).status).toBe(400);
  expect((await harness.get(`/bulk-actions/${actionId}/stats`)).status).toBe(200);
  expect((await harness.get(`/bulk-actions/${randomUUID()}`)).status).toBe(404);
  expect((await harness.get('/bulk-actions/status')).status).toBe(200);
  expect((await harness.get(`/nowhere/${actionId}`)).status).toBe(404);
  expect((await harness.get('/wp-admin')).status).toBe(404);
  expect((await harness.send('DELETE', `/bulk-actions/${actionId}`)).status).toBe(405);
  for (const status of [200, 429]) {
    expect((await harness.get('/bulk-actions', { 'x-account-id': 'greedy' })).status).toBe(status);
  }

  const metrics = await eventually('the dispatch', async () => {
    const exposition = await Exposition.scrape(harness.adminPort);
    const published = exposition.sum('bulk_dispatch_batches_total', { lane: 'normal' });
    const queued = exposition.values('bulk_actions_unfinished', { status: 'queued' });
    return published > 0 && queued[0] === 1 ? exposition : undefined;
  });
  const requests = (route: string, status: number, method = 'GET') =>
    metrics.sum('bulk_http_request_duration_seconds_count', { route, status: String(status), method });
  expect(requests('/bulk-actions', 202, 'POST')).toBe(2);
  expect(requests('/bulk-actions', 400, 'POST')).toBe(1);
  expect(requests('/bulk-actions/:id/stats', 200)).toBe(1);
  expect(requests('/bulk-actions/:id', 404)).toBe(1);
  expect(requests('/bulk-actions/status', 200)).toBe(1);
  expect(requests('/bulk-actions/:id', 405, 'DELETE')).toBe(1);
  expect(requests('/bulk-actions', 429)).toBe(1);
  expect(requests('other', 404)).toBe(2);
  expect(metrics.values('bulk_http_requests_in_flight')).toEqual([0]);
  expect(metrics.sum('bulk_accepted_actions_total', { lane: 'normal' })).toBe(1);
  expect(metrics.sum('bulk_accepted_entities_total')).toBe(25);
  expect(metrics.sum('bulk_stage_duration_seconds_count', { result: 'accepted' })).toBe(1);
  expect(metrics.sum('bulk_idempotent_replays_total')).toBe(1);
  expect(metrics.sum('bulk_http_rate_limited_requests_total')).toBe(1);
  expect(metrics.sum('bulk_actions_stalled_seconds', { status: 'queued' })).toBeGreaterThan(0);
  expect(metrics.sum('bulk_actions_oldest_seconds', { status: 'queued' })).toBeGreaterThan(0);
  expect(metrics.sum('bulk_entities_unfinished', { lane: 'normal' })).toBe(25);
  for (const lane of ['high', 'normal', 'low'])
    expect(metrics.values('bulk_dispatch_window_batches', { lane })[0]).toBeGreaterThan(0);
  expect(metrics.values('bulk_gap_sweeps_total', { result: 'failed' })).toEqual([0]);
  expect(new Set(metrics.samples.map(({ labels }) => labels['installation'])).size).toBe(1);
  expect(metrics.labelsWith([actionId, 'acme', 'greedy', 'wp-admin', 'c0'])).toEqual([]);
  const health = { ready: true, report: () => ({ components: {} }) };
  const declared = createIntakeMetrics({ BUILD_VERSION: '', BUILD_REVISION: '', TOPIC_PREFIX: '' }, health)
    .metrics.described;
  for (const { name, type } of declared) expect([name, metrics.types.get(name)]).toEqual([name, type]);
});
