import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { contact } from '@bulk/actions';
import type { ActionDocument } from '@bulk/mongo';
import { checkAccounting, eventually } from '@bulk/testing';
import { openDesk } from '../src/dlq/open.ts';
import { InstallationUnderTest } from './installation-under-test.ts';

const SIZE = 200;
const BEYOND = 1_000_000;
let system: InstallationUnderTest;
beforeAll(async () => {
  system = await InstallationUnderTest.start({}, {}, { BATCH_SIZE: '20' });
}, 120_000);
afterAll(() => system.dispose());

it('a batch that handler gives up fails, its action completes, and its replay makes that good, once', async () => {
  const ids = Array.from({ length: SIZE }, (_, i) => `dead-${i}`);
  await system.givenContacts(new Map(ids.map((id) => [id, { lastName: 'Before' }])));
  const contacts = system.database.entities(contact.collection);
  // As if the lane's topic had been created anew: handler cannot process the batch of this one.
  await contacts.updateOne({ id: ids[0]! }, { $set: { 'fence.normal': { partition: 0, offset: BEYOND } } });
  const client = system.client();
  const { actionId } = await client.createAction({
    actionType: 'update',
    entities: ids.map((id) => ({ id, lastName: 'After' })),
  });
  const action = async (): Promise<ActionDocument> =>
    (await system.database.actions.findOne({ _id: actionId }))!;
  const dead = await eventually(
    'it completes',
    async () => {
      const now = await action();
      return now.status === 'completed' ? now : undefined;
    },
    { timeoutMs: 60_000 },
  );
  const lost = dead.codes['DEAD_LETTERED'] ?? 0;
  expect(lost).toBeGreaterThan(0);
  expect(dead.counts).toEqual({ success: SIZE - lost, failure: lost, skipped: 0 });
  expect((await checkAccounting(system.database, actionId)).breaches).toEqual([]);

  await contacts.updateOne({ id: ids[0]! }, { $unset: { fence: '' } });
  const { desk } = await openDesk(system.installation.env, system.database);
  const selection = { ids: [], filter: { action: actionId } };
  const [listed] = await desk.list(selection.filter, false);
  expect(listed?.letter.content.code).toBe('FENCE_AHEAD_OF_LOG');
  expect(await desk.replay(selection, false)).toMatchObject({ done: [{ generation: 1 }], refused: [] });
  const replayed = await eventually('the replay is counted', async () => {
    const now = await action();
    return now.counts.success === SIZE ? now : undefined;
  });
  expect(replayed).toMatchObject({ status: 'completed', codes: {}, countedBatches: dead.countedBatches });
  expect(replayed.version).toBeGreaterThan(dead.version);
  expect((await checkAccounting(system.database, actionId)).breaches).toEqual([]);
  const stored = await system.storedContacts('dead-');
  expect([...stored.values()].every(({ fields }) => fields['lastName'] === 'After')).toBe(true);

  // Once more, by hand and as if the first had been broken off: nothing changes.
  expect((await desk.replay({ ids: [listed!.letter.id], filter: {} }, false)).refused).toHaveLength(1);
  await system.database.db
    .collection<{ _id: string }>('dead_letter_marks')
    .updateOne({ _id: listed!.letter.id }, { $set: { state: 'replaying' } });
  expect((await desk.replay(selection, false)).done).toMatchObject([{ generation: 1 }]);
  // A further action through the same partitions has passed what was sent again.
  const { actionId: next } = await client.createAction({
    actionType: 'update',
    entities: ids.map((id) => ({ id, city: 'Bonn' })),
  });
  await eventually(
    'the next one completes',
    async () => (await system.database.actions.findOne({ _id: next }))?.status === 'completed',
  );
  client.close();
  expect(await action()).toEqual(replayed);
  const after = await system.storedContacts('dead-');
  for (const [id, { version }] of after) expect(version).toBe(stored.get(id)!.version + 1);
});
