import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { allTopics, topicNames } from '@bulk/contracts';
import { Consumption, kafkaConfigSchema, type KafkaConfig } from '@bulk/kafka';
import { resetStack, startStack, type RunningStack } from '@bulk/local-stack';
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
import { backUpStorage, dumpIfPossible } from './mongo-backups.ts';

// The tests run in order on one installation, as its life would continue.
const SIZE = 1_000;
/** Size of the action whose batches wait in a retry topic. */
const LATE = 100;
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
  system = await InstallationUnderTest.start(
    {},
    {},
    {
      BATCH_SIZE: '20',
      // Much less than an action has, so that it stands still when nothing is counted.
      DISPATCH_IN_FLIGHT_BATCHES: '8',
      RETRY_IN_PLACE_MS: '300',
      RETRY_TIERS_MS: '2000,3000,4000',
      MONGODB_URI,
    },
  );
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

async function create(
  entities: readonly GivenEntity[],
  options: { readonly scheduledFor?: string; readonly priority?: 'high' } = {},
): Promise<string> {
  const { actionId } = await system.client().createAction({
    actionType: 'update',
    entities: [...entities],
    ...options,
  });
  return actionId;
}

/** Returns the number of messages that a topic has received. */
async function received(topic: string): Promise<number> {
  const ends = await Consumption.ask(system.installation.kafka, (asked) => asked.ends(topic));
  return Object.values(ends).reduce((sum, end) => sum + end, 0);
}

/** Waits until a topic has received a message since it had `before`. */
async function expectMessage(topic: string, before: number): Promise<void> {
  await eventually(`${topic} receives a message`, async () => (await received(topic)) > before, {
    timeoutMs: 90_000,
  });
}

/**
 * Starts an action and halts stats-aggregator while handler is ahead of it: some batches are counted, the outcomes of
 * others are only in Kafka, and the rest waits, because the window of the dispatch is full.
 */
async function stopCountingInTheMiddle(entities: readonly GivenEntity[]): Promise<string> {
  const { results } = topicNames(config().TOPIC_PREFIX);
  const aggregator = system.services.member('stats-aggregator');
  const countedBatches = async (actionId: string): Promise<number> =>
    (await system.database.actions.findOne({ _id: actionId }))?.countedBatches ?? 0;
  expect(aggregator.suspend()).toBe(true);
  const before = await received(results);
  const actionId = await create(entities);
  await expectMessage(results, before);
  // A window at most is published while the action is paused, however fast it is counted.
  await system.client().pauseAction(actionId);
  aggregator.wake();
  await eventually('some batches are counted', async () => (await countedBatches(actionId)) > 0, {
    timeoutMs: 90_000,
  });
  await eventually('all that was published has an outcome', async () => {
    const action = await system.database.actions.findOne({ _id: actionId });
    return action?.countedBatches === action?.dispatch.nextBatch;
  }, { timeoutMs: 90_000 }); // prettier-ignore
  aggregator.suspend();
  const counted = await received(results);
  await system.client().resumeAction(actionId);
  await expectMessage(results, counted);
  expect((await system.database.actions.findOne({ _id: actionId }))?.status).toBe('processing');
  return actionId;
}

/**
 * Starts an action in another lane and halts MongoDB for longer than a batch may hold its partition, until batches of it
 * wait in a retry topic.
 */
async function postponeWithoutMongo(entities: readonly GivenEntity[]): Promise<string> {
  const { entityBatches, retries } = topicNames(config().TOPIC_PREFIX);
  const handler = system.services.member('handler');
  expect(handler.suspend()).toBe(true);
  const before = await received(entityBatches.high);
  const waiting = await received(retries.short);
  const actionId = await create(entities, { priority: 'high' });
  await expectMessage(entityBatches.high, before);
  await stack.halt('mongo');
  handler.wake();
  await expectMessage(retries.short, waiting);
  return actionId;
}

/** Ends all services without warning. */
async function killAll(): Promise<void> {
  await Promise.all(system.services.members.map((member) => member.kill()));
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
  const scheduledFor = new Date(Date.now() + TOMORROW).toISOString();
  const waiting = await create(across.entities, { scheduledFor });
  // A row that intake found faulty may have no id.
  const faulty = await system.client().createAction({
    actionType: 'update',
    matchBy: 'email',
    entities: [{ email: 'nobody@x.example', lastName: 'Nobody' }],
    scheduledFor,
  });

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
  expect(migrated).toMatchObject({ epoch: 1, restaged: 2, settings: { KAFKA_LANE_PARTITIONS: '7' } });
  // Its places must not move once services use the new topics.
  await expect(migrate()).rejects.toMatchObject({ code: 'MIGRATION_REFUSED' });
  settings = { ...migrated.settings };

  await system.startServices(settings);
  await system.database.actions.updateMany(
    { _id: { $in: [waiting, faulty.actionId] } },
    { $set: { scheduledFor: null, 'dispatch.dueAt': new Date(0) } },
  );
  await expectModel(waiting, 'across', across);
  await system.client().waitForCompletion(faulty.actionId, { timeoutMs: 60_000 });
  expect(await system.client().getLogSummary(faulty.actionId)).toMatchObject({
    codes: { ENTITY_NOT_FOUND: 1 },
  });
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
  const actionId = await stopCountingInTheMiddle(lost.entities);
  await killAll();
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
  const redisPrefix = system.installation.env['REDIS_PREFIX']!;
  const rebuild = () =>
    rebuildKafka({ database: system.database, redis, redisPrefix, config: config() }, signal);
  const rebuilt = await rebuild();
  expect(rebuilt).toMatchObject({ epoch: 2, actions: 1, unknown: 0 });
  expect(rebuilt.again).toBeGreaterThan(0);
  await expect(rebuild()).rejects.toMatchObject({ code: 'NOT_REPLACED' });

  await system.startServices(settings);
  await expectModel(actionId, 'lost', lost);
}, 240_000);

it('a backup from the middle of actions, with batches in retry topics, leads to the model when it is restored', async () => {
  const saved = scenario(SIZE, 'saved');
  const late = scenario(LATE, 'late');
  await system.givenContacts(saved.before);
  await system.givenContacts(late.before);
  await system.startServices({ ...settings, MONGODB_TIMEOUT_MS: '3000' });
  const actionId = await stopCountingInTheMiddle(saved.entities);
  const lateId = await postponeWithoutMongo(late.entities);
  await killAll();
  const expectModels = async (): Promise<void> => {
    await expectModel(actionId, 'saved', saved);
    await expectModel(lateId, 'late', late);
    await system.services.stop();
  };
  const backup = await backUpStorage(stack, STACK);
  const dump = await dumpIfPossible(stack, STACK, system.installation.env['MONGODB_DATABASE']!);
  await system.startServices(settings);
  await expectModels();

  for (const { restore } of [backup, dump].filter((one) => one !== undefined)) {
    await restore();
    expect(await checkRestore(system.database, config(), true, signal)).toMatchObject({
      unfinished: 2,
      faults: [],
    });
    // If the results came first, the action would end, and handler would drop what it has to apply.
    await system.startServices(settings, { intake: 0, notifier: 0, 'stats-aggregator': 0 });
    await caughtUp('handler');
    await system.startServices(settings);
    await expectModels();
    const after = await checkRestore(system.database, config(), false, signal);
    expect(after).toMatchObject({ unfinished: 0, faults: [], reset: [] });
  }
}, 300_000);
