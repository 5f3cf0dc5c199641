import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { AWAY, checkAccounting, eventually, linkTo } from '@bulk/testing';
import { AggregatorHarness } from './harness.ts';

const BATCHES = 60;
/**
 * Delay in each direction, in ms. A chunk then takes several times as long, so that each fault
 * happens in the middle of one.
 */
const DELAY_MS = 15;

let harness: AggregatorHarness;
beforeEach(async () => {
  harness = await AggregatorHarness.create();
});
afterEach(() => harness.installation.dispose());

const CASES = (['mongodb', 'kafka'] as const).flatMap((part) => AWAY.map((fault) => ({ part, fault })));

describe('a dependency that fails in the middle of a chunk', () => {
  it.each(CASES)(
    'leaves each result counted once and the last state published, without a restart ($part, $fault)',
    async ({ part, fault }) => {
      const { link, env } = await linkTo(part, harness.installation.env);
      harness.installation.onDispose(() => link.close());
      const service = await harness.start({
        ...env,
        MONGODB_TIMEOUT_MS: '1000',
        KAFKA_REQUEST_TIMEOUT_MS: '1000',
      });
      harness.installation.onDispose(() => harness.stop());
      const actionId = randomUUID();
      await harness.givenAction(actionId, BATCHES * 10);
      const results = Array.from({ length: BATCHES }, (_, i) => harness.result(actionId, i));
      link.delay(DELAY_MS);
      await harness.publish(...results);
      await eventually(
        'the action is under way',
        async () => ((await harness.database.actions.findOne({ _id: actionId }))?.countedBatches ?? 0) >= 10,
        { everyMs: 5 },
      );
      const { opened } = link;
      link[fault]();
      link.delay(0);
      if (fault !== 'hang') {
        await eventually('it is not ready', () => !service.context.health.ready);
        const atOutage = await harness.database.actions.findOne({ _id: actionId });
        expect(atOutage?.status).toBe('processing');
        link.restore();
      }
      const action = await harness.awaitStatus(actionId, 'completed');
      await eventually('it is ready', () => service.context.health.ready);
      // If the link only delays what it holds back, the connection may be kept.
      if (fault !== 'blackHole') expect(link.opened).toBeGreaterThan(opened);

      const report = await checkAccounting(harness.database, actionId);
      expect(report.breaches).toEqual([]);
      const expected = results.flatMap(({ outcomes }) => outcomes);
      expect(report.outcomes.map(({ position, status }) => ({ position, status }))).toEqual(
        expected.map(({ position, status }) => ({ position, status })),
      );
      const told = await eventually('the end is reported', async () => {
        const events = await harness.progressOf(actionId);
        return events.some(({ status }) => status === 'completed') ? events : undefined;
      });
      expect(Math.max(...told.map(({ version }) => version))).toBe(action.version);
      expect(harness.deadLetters.messages).toEqual([]);
      expect(service.failures).toEqual([]);
    },
  );
});

describe('a stats-aggregator that is asked to stop while MongoDB does not answer', () => {
  it('leaves its group within its grace time, and another instance counts the results', async () => {
    const { link, env } = await linkTo('mongodb', harness.installation.env);
    harness.installation.onDispose(() => link.close());
    // Longer than the whole test may take.
    const session = { KAFKA_SESSION_TIMEOUT_MS: '30000' };
    const service = await harness.start({ ...env, ...session });
    const actionId = randomUUID();
    await harness.givenAction(actionId, 20);
    await harness.publish(harness.result(actionId, 0));
    await eventually(
      'the first result is counted',
      async () => (await harness.database.actions.findOne({ _id: actionId }))?.countedBatches === 1,
    );
    link.blackHole();
    await harness.publish(harness.result(actionId, 1));
    await eventually('it is not ready', () => !service.context.health.ready);
    const since = performance.now();
    await service.stop(4_000);
    expect(performance.now() - since).toBeLessThan(4_000);
    await harness.start(session);
    await harness.awaitStatus(actionId, 'completed');
    expect(performance.now() - since).toBeLessThan(20_000);
    expect((await checkAccounting(harness.database, actionId)).breaches).toEqual([]);
    expect(service.failures).toEqual([]);
  });
});
