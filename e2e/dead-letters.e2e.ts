import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { contact } from '@bulk/action-types';
import type { ActionDocument } from '@bulk/mongo';
import { workspaceRoot } from '@bulk/local-stack';
import { checkAccounting, eventually } from '@bulk/testing';
import { type ListedLetter, openDesk } from '@bulk/tools/dlq';
import { InstallationUnderTest } from './installation-under-test.ts';

const SIZE = 200;
const BEYOND = 1_000_000;
let system: InstallationUnderTest;
beforeAll(async () => {
  system = await InstallationUnderTest.start({}, {}, { BATCH_SIZE: '20' });
}, 120_000);
afterAll(() => system.dispose());

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `npm run dlq -- …` as an operator would. */
function dlq(...args: string[]): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const main = join(workspaceRoot, 'tools', 'src', 'operator', 'ops', 'main.ts');
    const env = { PATH: process.env['PATH'], ...system.installation.env };
    const child = spawn(process.execPath, ['--import', 'tsx', main, 'dlq', ...args], {
      cwd: workspaceRoot,
      env,
    });
    const output = { stdout: '', stderr: '' };
    child.stdout.on('data', (piece: Buffer) => (output.stdout += piece.toString()));
    child.stderr.on('data', (piece: Buffer) => (output.stderr += piece.toString()));
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, ...output }));
  });
}

/** Returns what the tool prints with `--json` in a successful run. */
async function dlqJson(...args: string[]): Promise<unknown> {
  const { code, stdout, stderr } = await dlq(...args);
  expect([code, stderr]).toEqual([0, '']);
  return JSON.parse(stdout);
}

it('a dead-lettered batch fails in a completed action, and its replay applies every entity exactly once', async () => {
  const ids = Array.from({ length: SIZE }, (_, i) => `dead-${i}`);
  await system.givenContacts(new Map(ids.map((id) => [id, { lastName: 'Before' }])));
  const contacts = system.database.entities(contact.collection);
  // As if the lane's topic had been created again: handler cannot process the batch of this one.
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
  const all: ListedLetter[] = [];
  await desk.list(selection.filter, false, (some) => void all.push(...some));
  const [listed] = all;
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

  // Once more, by hand and as if the first replay had been broken off: nothing changes.
  expect((await desk.replay({ ids: [listed!.letter.id], filter: {} }, false)).refused).toHaveLength(1);
  await system.database.db
    .collection<{ _id: string }>('dead_letter_marks')
    .updateOne({ _id: listed!.letter.id }, { $set: { state: 'replaying' } });
  expect((await desk.replay(selection, false)).done).toMatchObject([{ generation: 1 }]);
  // A further action through the same partitions comes after what was sent again.
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

it('the command lists, shows, replays and drops dead letters of the running installation, and refuses with a code', async () => {
  const ids = Array.from({ length: SIZE }, (_, i) => `command-${i}`);
  await system.givenContacts(new Map(ids.map((id) => [id, { lastName: 'Before' }])));
  const contacts = system.database.entities(contact.collection);
  const fence = { partition: 0, offset: BEYOND };
  await contacts.updateMany({ id: { $in: [ids[0]!, ids[1]!] } }, { $set: { 'fence.normal': fence } });
  const client = system.client();
  const { actionId } = await client.createAction({
    actionType: 'update',
    entities: ids.map((id) => ({ id, lastName: 'After' })),
  });
  const completed = await client.waitForCompletion(actionId, { timeoutMs: 60_000 });
  client.close();
  const lost = completed.failure;
  const of = ['--action', actionId];
  const listed = (await dlqJson('list', ...of, '--json')) as { id: string; code: string; state: string }[];
  expect(listed.length).toBeGreaterThan(0);
  expect(new Set(listed.map(({ code, state }) => `${code} ${state}`))).toEqual(
    new Set(['FENCE_AHEAD_OF_LOG open']),
  );
  const table = await dlq('list', ...of);
  expect(table.code).toBe(0);
  for (const { id } of listed) expect(table.stdout).toContain(id);
  expect(await dlq('list', '--code', 'NO_SUCH_CODE')).toEqual({
    code: 0,
    stdout: 'no dead letters\n',
    stderr: '',
  });

  const [first] = listed;
  const shown = await dlqJson('show', first!.id);
  expect(shown).toMatchObject({ id: first!.id, original: { decoded: { actionId } } });
  const unknown = await dlq('show', '0:999999');
  expect(unknown).toMatchObject({
    code: 1,
    stdout: '',
    stderr: expect.stringContaining('DEAD_LETTER_NOT_FOUND'),
  });

  await contacts.updateMany({ id: { $in: [ids[0]!, ids[1]!] } }, { $unset: { fence: '' } });
  const replayed = await dlq('replay', ...of);
  expect([replayed.code, replayed.stdout.trimEnd().split('\n').length]).toEqual([0, listed.length]);
  expect(replayed.stdout).toContain(`${first!.id} replayed to`);
  await eventually('the replay is counted', async () => {
    const action = await system.database.actions.findOne({ _id: actionId });
    return action?.counts.success === SIZE;
  });
  expect(lost).toBeGreaterThan(0);
  expect((await checkAccounting(system.database, actionId)).breaches).toEqual([]);

  const refused = await dlq('replay', first!.id);
  expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('ALREADY_MARKED') });
  expect(refused.stderr).toContain('LETTERS_REFUSED');
  expect(await dlqJson('list', ...of, '--json')).toEqual([]);
  expect(await dlqJson('list', ...of, '--all', '--json')).toMatchObject(
    listed.map(({ id }) => ({ id, state: 'replayed' })),
  );
});

it('the command drops a dead letter permanently', async () => {
  const raw = system.installation.kafka.producer();
  await raw.connect();
  const topic = system.installation.topics.entityBatches.normal;
  await raw.send({ topic, messages: [{ key: 'k', value: Buffer.from('no Avro'), partition: 1 }] });
  await raw.disconnect();
  const of = ['--code', 'MALFORMED_MESSAGE', '--json'];
  const [letter] = await eventually('the dead letter', async () => {
    const listed = (await dlqJson('list', ...of)) as { id: string }[];
    return listed.length > 0 ? listed : undefined;
  });
  expect(await dlq('drop', letter!.id)).toEqual({ code: 0, stdout: `${letter!.id} dropped\n`, stderr: '' });
  expect(await dlqJson('list', ...of)).toEqual([]);
  expect(await dlqJson('list', ...of, '--all')).toMatchObject([{ id: letter!.id, state: 'dropped' }]);
  expect(await dlq('drop')).toMatchObject({ code: 1, stderr: expect.stringContaining('NOTHING_SELECTED') });
});
