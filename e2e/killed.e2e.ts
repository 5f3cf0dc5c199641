import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '@bulk/testing';
import { InstallationUnderTest, scenario, modelOf } from './installation-under-test.ts';

const SIZE = 4_000;
let system: InstallationUnderTest;
beforeAll(async () => {
  system = await InstallationUnderTest.start({ handler: 2, 'stats-aggregator': 2 });
}, 120_000);
afterAll(() => system.dispose());

/** The process that dies, and how far the action must be before it does. */
const VICTIMS = [
  { victim: 'handler', after: 0.1 },
  { victim: 'stats-aggregator', after: 0.1 },
  { victim: 'intake', after: 0 },
  { victim: 'notifier', after: 0.1 },
];

describe('a process killed in the middle of an action', () => {
  it.each(VICTIMS)(
    'leaves one outcome for every position, equal counts and logs, and the entities of the model ($victim)',
    async ({ victim, after }) => {
      const { before, entities } = scenario(SIZE, victim);
      const model = modelOf({ before, entities });
      await system.givenContacts(before);
      const client = system.client();
      const { actionId } = await client.createAction({ actionType: 'update', entities: [...entities] });
      const completed = client.waitForCompletion(actionId, { timeoutMs: 120_000 });

      const seen = await eventually(
        'the action is under way',
        async () => {
          const action = await system.database.actions.findOne({ _id: actionId });
          const done =
            action === null ? 0 : action.counts.success + action.counts.failure + action.counts.skipped;
          return done >= SIZE * after ? { done } : undefined;
        },
        { everyMs: 10, timeoutMs: 60_000 },
      );
      await system.services.member(victim).kill();
      // A kill after the end would prove nothing.
      expect(seen.done).toBeLessThan(SIZE);
      const atDeath = await system.database.actions.findOne({ _id: actionId });
      expect(atDeath?.status).not.toBe('completed');
      await system.services.restart(victim);

      expect(await completed).toMatchObject({ status: 'completed', processed: SIZE });
      await system.expectOutcome(actionId, victim, model);
    },
    180_000,
  );
});
