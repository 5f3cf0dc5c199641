import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { BreakableLink, eventually } from '@bulk/testing';
import { entitiesOf, IntakeHarness, positionsOf } from './harness.ts';

let harness: IntakeHarness;
beforeAll(async () => {
  harness = await IntakeHarness.create();
});
afterAll(() => harness.installation.dispose());

const action = { actionType: 'update', entities: entitiesOf(25) };

describe('intake while MongoDB is unavailable', () => {
  it('refuses requests as retryable, names the cause on /healthz, stays ready, and recovers by itself', async () => {
    const uri = new URL(harness.installation.env['MONGODB_URI']!);
    const link = await BreakableLink.to(uri.hostname, Number(uri.port));
    harness.installation.onDispose(() => link.close());
    uri.host = `127.0.0.1:${link.port}`;
    const service = await harness.start({ MONGODB_URI: uri.href, MONGODB_TIMEOUT_MS: '500' });
    const { body } = await harness.post(action);
    const actionId = String(body.data!['actionId']);
    const before = await harness.traces();

    link.break();
    for (const answer of [await harness.post(action), await harness.get(`/bulk-actions/${actionId}`)]) {
      expect([answer.status, answer.body.error?.code]).toEqual([503, 'DEPENDENCY_UNAVAILABLE']);
      expect(answer.headers.get('retry-after')).toBe('5');
    }
    await eventually('not healthy', () => !service.context.health.healthy);
    expect(service.context.health.report()).toMatchObject({
      ready: true,
      components: { mongodb: { state: 'waiting' } },
    });

    link.restore();
    await eventually('healthy', () => service.context.health.healthy);
    expect(await harness.traces()).toEqual(before);
    const again = await harness.post(action);
    expect(again.status).toBe(202);
    const published = await eventually('all positions', async () => {
      const batches = await harness.published(String(again.body.data!['actionId']));
      return positionsOf(batches).length >= 25 ? batches : undefined;
    });
    expect(positionsOf(published)).toHaveLength(25);
    expect(service.failures).toEqual([]);
  });
});
