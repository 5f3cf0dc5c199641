import { cpSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { allTopics, topicNames } from '@bulk/contracts';
import { kafkaConfigSchema, type KafkaConfig } from '@bulk/kafka';
import { resetStack, stackPaths, startStack, type RunningStack } from '@bulk/local-stack';
import { connectRedis, redisConfigSchema } from '@bulk/redis';
import { loadConfig, silentLogger } from '@bulk/runtime';
import { checkAccounting, eventually, type GivenEntity } from '@bulk/testing';
import {
  checkRestore,
  membersOf,
  migratePartitions,
  readLag,
  rebuildKafka,
  sharedGroups,
} from '@bulk/tools/ops';
import { InstallationUnderTest, modelOf, scenario, type Scenario } from './installation-under-test.ts';

// The tests run in order on one installation, as its life would continue.
const SIZE = 1_000;
const TOMORROW = 86_400_000;
const STACK = `restored-${process.pid}`;
/** A MongoDB of this file alone, which can be stopped. The other parts are those of all tests. */
let stack: RunningStack;
let system: InstallationUnderTest;
/** Settings of the services that the life of the installation has changed. */
let settings: Record<string, string> = {};
const { signal } = new AbortController();

beforeAll(async () => {
  stack = await startStack({
    name: STACK,
    env: { ...process.env, MONGODB_URI: '', STACK_MONGO_DURABLE: 'true' },
  });
  const { mongodbUri: MONGODB_URI } = stack.urls;
  system = await InstallationUnderTest.start({}, {}, { BATCH_SIZE: '20', MONGODB_URI });
  const renamed = topicNames(`${system.installation.env['TOPIC_PREFIX']!}v2.`);
  system.installation.onDispose(() => deleteTopics(allTopics(renamed)));
}, 120_000);
afterAll(async () => {
  await system.dispose();
  await stack.stop();
  await resetStack(STACK);
}, 120_000);

const config = (): KafkaConfig => loadConfig(kafkaConfigSchema, { ...system.installation.env, ...settings });

async function deleteTopics(topics: string[]): Promise<void> {
  const admin = system.installation.kafka.admin();
  await admin.connect();
  try {
    const there = new Set(await admin.listTopics());
    await admin.deleteTopics({ topics: topics.filter((topic) => there.has(topic)) });
    await eventually('the topics are gone', async () => {
      const left = new Set(await admin.listTopics());
      return !topics.some((topic) => left.has(topic));
    });
  } finally {
    await admin.disconnect();
  }
}

/** Waits until an action has ended, and compares outcomes, counts and contacts with the model. */
async function expectModel(actionId: string, mark: string, given: Scenario): Promise<void> {
  await eventually(
    'the action has ended',
    async () => (await system.database.actions.findOne({ _id: actionId }))?.status === 'completed',
    { timeoutMs: 90_000 },
  );
  await system.expectOutcome(actionId, mark, modelOf(given));
}

async function create(entities: readonly GivenEntity[], scheduledFor?: Date): Promise<string> {
  const { actionId } = await system.client().createAction({
    actionType: 'update',
    entities: [...entities],
    ...(scheduledFor === undefined ? {} : { scheduledFor: scheduledFor.toISOString() }),
  });
  return actionId;
}

/**
 * Starts an action and ends all services without warning while handler is ahead of stats-aggregator: some of its
 * batches are applied, and their outcomes are only in Kafka.
 */
async function dieInTheMiddle(entities: readonly GivenEntity[]): Promise<string> {
  const { services } = system;
  const actionId = await create(entities);
  await eventually(
    'some outcomes are counted',
    async () => ((await system.database.actions.findOne({ _id: actionId }))?.countedBatches ?? 0) > 3,
    { everyMs: 5, timeoutMs: 60_000 },
  );
  expect(services.member('stats-aggregator').suspend()).toBe(true);
  const results = sharedGroups(config().TOPIC_PREFIX).filter(({ service }) => service === 'stats-aggregator');
  await eventually(
    'some outcomes wait in Kafka',
    async () => (await readLag(system.installation.kafka, results)).some(({ messages }) => messages > 3),
    { everyMs: 5, timeoutMs: 60_000 },
  );
  await Promise.all(services.members.map((member) => member.kill()));
  const action = await system.database.actions.findOne({ _id: actionId });
  expect(action?.status).toBe('processing');
  return actionId;
}

/** Waits until a service has processed everything that Kafka holds. */
async function caughtUp(service: string): Promise<void> {
  const groups = sharedGroups(config().TOPIC_PREFIX).filter((one) => one.service === service);
  await eventually(
    `${service} has processed everything`,
    async () => (await readLag(system.installation.kafka, groups)).every(({ messages }) => messages === 0),
    { timeoutMs: 60_000 },
  );
}

it('lanes get more partitions, and actions before, across and after the migration equal the model', async () => {
  const early = scenario(SIZE, 'early');
  const across = scenario(SIZE, 'across');
  await system.givenContacts(early.before);
  await system.givenContacts(across.before);
  await expectModel(await create(early.entities), 'early', early);
  const waiting = await create(across.entities, new Date(Date.now() + TOMORROW));

  const target = { prefix: `${config().TOPIC_PREFIX}v2.`, lanePartitions: 7 };
  const migrate = () => migratePartitions(system.database, config(), target, signal);
  await expect(migrate()).rejects.toMatchObject({ code: 'NOT_DRAINED' });
  await system.services.stop();
  // The first run dies at the worst place: the old batches are removed, the new ones are not there.
  const { stagedBatches } = system.database;
  stagedBatches.insertMany = () => Promise.reject(new Error('killed'));
  await expect(migrate()).rejects.toThrow('killed');
  Reflect.deleteProperty(stagedBatches, 'insertMany');
  const migrated = await migrate();
  expect(migrated).toMatchObject({ epoch: 1, restaged: 1, settings: { KAFKA_LANE_PARTITIONS: '7' } });
  // Its places must not move once services use the new topics.
  await expect(migrate()).rejects.toMatchObject({ code: 'MIGRATION_REFUSED' });
  settings = { ...migrated.settings };

  await system.startServices(settings);
  await system.database.actions.updateOne(
    { _id: waiting },
    { $set: { scheduledFor: null, 'dispatch.dueAt': new Date(0) } },
  );
  await expectModel(waiting, 'across', across);
  // The fences of the former topics are behind, wherever an entity has moved.
  const again = [...early.before.keys()].map((id) => ({ id, lastName: 'Moved' }));
  const last = await create(again);
  await eventually(
    'the last action has ended',
    async () => (await system.database.actions.findOne({ _id: last }))?.status === 'completed',
    { timeoutMs: 60_000 },
  );
  expect((await system.database.actions.findOne({ _id: last }))?.counts.success).toBe(again.length);
  expect((await checkAccounting(system.database, last)).breaches).toEqual([]);
}, 240_000);

it('an action continues exactly after Kafka was lost in its middle', async () => {
  const lost = scenario(SIZE, 'lost');
  await system.givenContacts(lost.before);
  const actionId = await dieInTheMiddle(lost.entities);
  // A killed member stays in its group until its session ends.
  const prefix = config().TOPIC_PREFIX;
  await eventually(
    'the members have left',
    async () => (await membersOf(system.installation.kafka, prefix)).length === 0,
    { timeoutMs: 30_000 },
  );
  await deleteTopics(allTopics(topicNames(prefix)));

  const redis = await connectRedis(loadConfig(redisConfigSchema, system.installation.env), silentLogger());
  system.installation.onDispose(() => {
    redis.disconnect();
    return Promise.resolve();
  });
  const rebuild = () =>
    rebuildKafka(system.database, redis, system.installation.env['REDIS_PREFIX']!, config(), signal);
  const rebuilt = await rebuild();
  expect(rebuilt).toMatchObject({ epoch: 2, actions: 1 });
  expect(rebuilt.again).toBeGreaterThan(0);
  await expect(rebuild()).rejects.toMatchObject({ code: 'NOT_REPLACED' });

  await system.startServices(settings, { intake: 0, notifier: 0 });
  await caughtUp('handler');
  await system.startServices(settings);
  await expectModel(actionId, 'lost', lost);
}, 240_000);

it('a backup from the middle of an action, restored later, leads to the model', async () => {
  const saved = scenario(SIZE, 'saved');
  await system.givenContacts(saved.before);
  const actionId = await dieInTheMiddle(saved.entities);
  await stack.halt('mongo');
  moveStorage('data', 'backup');
  await stack.resume('mongo');
  await system.startServices(settings);
  await expectModel(actionId, 'saved', saved);
  await system.services.stop();

  await stack.halt('mongo');
  moveStorage('backup', 'data');
  await stack.resume('mongo');
  expect(await checkRestore(system.database, config(), true, signal)).toMatchObject({
    unfinished: 1,
    faults: [],
  });
  // If the results came first, the action would end, and handler would drop what it has to apply.
  await system.startServices(settings, { intake: 0, notifier: 0, 'stats-aggregator': 0 });
  await caughtUp('handler');
  await system.startServices(settings);
  await expectModel(actionId, 'saved', saved);
  await system.services.stop();
  const after = await checkRestore(system.database, config(), false, signal);
  expect(after).toMatchObject({ unfinished: 0, faults: [], reset: [] });
}, 240_000);

/** Copies the storage of the stopped MongoDB to or from the backup. */
function moveStorage(from: 'data' | 'backup', to: 'data' | 'backup'): void {
  const data = stackPaths(STACK).data('');
  const folders = { data, backup: join(data, 'backup') };
  const storages = readdirSync(folders[from]).filter((name) => name.startsWith('mongo-'));
  expect(storages).toHaveLength(1);
  for (const name of storages) {
    rmSync(join(folders[to], name), { recursive: true, force: true });
    cpSync(join(folders[from], name), join(folders[to], name), { recursive: true });
  }
}
