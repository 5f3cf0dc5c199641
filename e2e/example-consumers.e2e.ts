import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { contact } from '@bulk/action-types';
import { provideExamplePython, workspaceRoot } from '@bulk/local-stack';
import { checkAccounting, eventually, TopicReader, type GivenEntity } from '@bulk/testing';
import { openDesk } from '@bulk/tools/dlq';
import { ExampleConsumer, viewOf, type Program, type ShownOutcome } from './example-consumer.ts';
import { InstallationUnderTest, scenario } from './installation-under-test.ts';

const SIZE = 250;
const BEYOND = 1_000_000;
let system: InstallationUnderTest;
let results: TopicReader;
let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'example-consumers-'));
  system = await InstallationUnderTest.start({}, {}, { BATCH_SIZE: '20' });
  const { kafka, topics } = system.installation;
  results = await TopicReader.open(kafka, [topics.results]);
  system.installation.onDispose(() => results.close());
}, 120_000);
afterAll(async () => {
  await system.dispose();
  rmSync(folder, { recursive: true, force: true });
});

const PROGRAMS: readonly { language: string; provide: () => Promise<Program> }[] = [
  {
    language: 'typescript',
    provide: () =>
      Promise.resolve({
        command: process.execPath,
        args: ['--import', 'tsx', join(workspaceRoot, 'examples/typescript/src/main.ts')],
      }),
  },
  {
    language: 'python',
    provide: async () => ({
      command: await provideExamplePython(console.log),
      args: [join(workspaceRoot, 'examples/python/consumer.py')],
    }),
  },
];

describe.each(PROGRAMS)('the example consumer in $language', ({ language, provide }) => {
  it('shows each outcome once across restarts and repetitions, and what a replay replaced', async () => {
    const program = await provide();
    const first = await mixedAction(`${language}-first`);
    const env = {
      KAFKA_BROKERS: system.installation.env['KAFKA_BROKERS'],
      SCHEMA_REGISTRY_URL: system.installation.env['SCHEMA_REGISTRY_URL'],
      RESULTS_TOPIC: system.installation.topics.results,
      GROUP_ID: `${system.installation.topics.results}-${language}`,
      STATE_FILE: join(folder, `${language}.jsonl`),
    };
    const run = (): ExampleConsumer => {
      const consumer = ExampleConsumer.start(program, env);
      system.installation.onDispose(() => consumer.kill());
      return consumer;
    };

    // From the start of the topic.
    const one = run();
    await eventually('the outcomes are shown', () => one.linesOf(first).length >= SIZE, {
      timeoutMs: 60_000,
    });
    expect(viewOf(one.linesOf(first))).toEqual(await logged(first));
    expect(one.linesOf(first)).toHaveLength(SIZE);
    expect(one.linesOf(first).map(({ ref }) => ref)).toEqual(
      expect.arrayContaining(Array.from({ length: SIZE }, (_, i) => `row ${i}`)),
    );

    // Results that the producer sends a second time.
    const copies = await repeatResultsOf(first);
    await eventually('the repetitions are seen', () => one.repetitionsOf(first).size === copies);
    expect(one.linesOf(first)).toHaveLength(SIZE);
    expect(await one.stop()).toEqual({ code: 0, signal: null });

    // What arrives while the consumer is stopped is there after its start, and nothing else: its
    // offsets are committed.
    const second = await actionWithDeadBatch(`${language}-second`);
    const two = run();
    await eventually('the outcomes are shown', () => two.linesOf(second).length >= SIZE, {
      timeoutMs: 60_000,
    });
    expect(viewOf(two.linesOf(second))).toEqual(await logged(second));
    expect(two.lines).toHaveLength(SIZE);
    expect([...two.repetitions]).toEqual([]);

    // A replay replaces the outcomes of its whole batch, including those that the dead letter had
    // not failed.
    const dead = await deadBatch(second);
    await replay(second);
    await eventually('the replacement is shown', () => two.lines.length >= SIZE + dead.length);
    const replacements = two.lines.filter(({ kind }) => kind === 'replacement');
    expect(replacements.map(({ position }) => position)).toEqual(dead);
    expect(new Set(replacements.map(({ generation }) => generation))).toEqual(new Set([1]));
    expect(viewOf(two.linesOf(second)).filter(({ status }) => status !== 'success')).toEqual([]);
    await eventually('the platform has the same', async () => {
      expect(await logged(second)).toEqual(viewOf(two.linesOf(second)));
      return true;
    });
    expect(await two.stop()).toEqual({ code: 0, signal: null });

    // As after a crash that lost the commits: everything is delivered again, and all of it is
    // recognised.
    await forgetOffsets(env.GROUP_ID);
    const three = run();
    await eventually('all is read again', () => three.repetitions.length === results.messages.length, {
      timeoutMs: 60_000,
    });
    expect(three.lines).toEqual([]);
    expect(await three.stop()).toEqual({ code: 0, signal: null });
  }, 240_000);
});

/** Runs an action of valid, unknown, invalid and repeated rows to its end. */
async function mixedAction(mark: string): Promise<string> {
  const { before, entities } = scenario(SIZE, mark);
  await system.givenContacts(before);
  return complete(entities);
}

/** Runs an action of valid rows to its end. One of its batches is a dead letter. */
async function actionWithDeadBatch(mark: string): Promise<string> {
  const ids = Array.from({ length: SIZE }, (_, i) => `${mark}-${i}`);
  await system.givenContacts(new Map(ids.map((id) => [id, { lastName: 'Before' }])));
  const contacts = system.database.entities(contact.collection);
  // As if the lane's topic had been created again: handler cannot process the batch of this one.
  const fence = { partition: 0, offset: BEYOND };
  await contacts.updateOne({ id: `${mark}-0` }, { $set: { 'fence.normal': fence } });
  const actionId = await complete(ids.map((id, i) => ({ id, ref: `row ${i}`, lastName: 'After' })));
  await contacts.updateOne({ id: `${mark}-0` }, { $unset: { fence: '' } });
  return actionId;
}

async function complete(entities: readonly GivenEntity[]): Promise<string> {
  const client = system.client();
  const { actionId } = await client.createAction({ actionType: 'update', entities: [...entities] });
  await client.waitForCompletion(actionId, { timeoutMs: 60_000 });
  client.close();
  return actionId;
}

/** Returns the outcomes as the platform itself has recorded them, in order of position. */
async function logged(actionId: string): Promise<readonly ShownOutcome[]> {
  const { breaches, outcomes } = await checkAccounting(system.database, actionId);
  expect(breaches).toEqual([]);
  return outcomes.map(({ position, entityId, ref, status, code, message }) => ({
    position,
    entityId,
    ref,
    status,
    code,
    message,
  }));
}

/** Produces every result of the action again, byte for byte. @returns how many there are. */
async function repeatResultsOf(actionId: string): Promise<number> {
  const { kafka, topics } = system.installation;
  const copies = results.messages.flatMap(({ message: { key, value, headers } }) =>
    key?.toString() === actionId ? [{ key, value, ...(headers === undefined ? {} : { headers }) }] : [],
  );
  const producer = kafka.producer();
  await producer.connect();
  await producer.send({ topic: topics.results, messages: copies });
  await producer.disconnect();
  return copies.length;
}

/** Returns the positions of the dead-lettered batch. */
async function deadBatch(actionId: string): Promise<number[]> {
  const logs = await system.database.actionLogs.find({ actionId }).toArray();
  const dead = logs.filter(({ outcomes }) => outcomes.some(({ code }) => code === 'DEAD_LETTERED'));
  expect(dead).toHaveLength(1);
  return dead[0]!.outcomes.map(({ position }) => position);
}

async function replay(actionId: string): Promise<void> {
  const { desk } = await openDesk(system.installation.env, system.database);
  const selection = { ids: [], filter: { action: actionId } };
  expect(await desk.replay(selection, false)).toMatchObject({ done: [{ generation: 1 }], refused: [] });
}

/** Resets the offsets of the group, which has no member now. */
async function forgetOffsets(groupId: string): Promise<void> {
  const admin = system.installation.kafka.admin();
  await admin.connect();
  await admin.resetOffsets({ groupId, topic: system.installation.topics.results, earliest: true });
  await admin.disconnect();
}
