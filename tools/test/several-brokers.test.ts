import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  ChunkConsumer,
  consumerConfigShape,
  createKafka,
  DONE,
  kafkaConfigSchema,
  MessageProducer,
  openTopicGuard,
  type Kafka,
} from '@bulk/kafka';
import { OWN_PARTS, resetStack, startStack, type RunningStack } from '@bulk/local-stack';
import { loadConfig, silentLogger } from '@bulk/runtime';
import { eventually, inProcessService, KafkaLeaders, TopicReader } from '@bulk/testing';
import { z } from 'zod';

const STACK = `several-brokers-${process.pid}`;
/** Long enough for a change of leader, short enough for a test, in ms. */
const DELIVERY_TIMEOUT_MS = 10_000;
/** Enough on a loaded machine. */
const PATIENCE = { timeoutMs: 120_000 };
const codec = { encode: (_: string, value: unknown) => Promise.resolve(Buffer.from(String(value))) };

let stack: RunningStack;
let kafka: Kafka;
beforeAll(async () => {
  stack = await startStack({
    name: STACK,
    env: { ...process.env, KAFKA_BROKERS: OWN_PARTS.KAFKA_BROKERS },
    brokers: 3,
  });
  const config = loadConfig(kafkaConfigSchema, { KAFKA_BROKERS: stack.urls.kafkaBrokers });
  kafka = createKafka('several-brokers', config, silentLogger());
}, 180_000);
afterAll(() => resetStack(STACK));

const connect = (): Promise<MessageProducer> =>
  MessageProducer.connect(kafka, codec, silentLogger(), { deliveryTimeoutMs: DELIVERY_TIMEOUT_MS });

const send = (producer: MessageProducer, topic: string, value: string, partitions: readonly number[]) =>
  producer.send(
    topic,
    partitions.map((partition) => ({ key: null, value, partition })),
  );

/** Creates a topic whose partitions have these replicas. */
async function createTopic(replicas: readonly (readonly number[])[], minInSync: number): Promise<string> {
  const topic = `topic-${randomBytes(4).toString('hex')}`;
  const admin = kafka.admin();
  await admin.connect();
  await admin.createTopics({
    waitForLeaders: true,
    topics: [
      {
        topic,
        replicaAssignment: replicas.map((own, partition) => ({ partition, replicas: [...own] })),
        configEntries: [{ name: 'min.insync.replicas', value: String(minInSync) }],
      },
    ],
  });
  await admin.disconnect();
  return topic;
}

describe('a partition without a leader', () => {
  it('fails its own sends in bounded time while others succeed, and recovers with its leader', async () => {
    const topic = await createTopic([[1], [2], [3]], 1);
    const producer = await connect();
    await send(producer, topic, 'before', [0, 1, 2]);
    await stack.halt('kafka-3', 'SIGKILL');
    try {
      const startedAt = Date.now();
      const leaderless = expect(send(producer, topic, 'lost', [2])).rejects.toMatchObject({
        code: 'PRODUCE_FAILED',
        retryable: true,
      });
      // They are confirmed while that send is under way, and while it is sent again.
      for (let i = 0; i < 10; i += 1) await send(producer, topic, `meanwhile ${i}`, [0, 1]);
      await leaderless;
      expect(Date.now() - startedAt).toBeLessThan(2 * DELIVERY_TIMEOUT_MS);
      const everyPartition = expect(send(producer, topic, 'all', [0, 1, 2])).rejects.toMatchObject({
        code: 'PRODUCE_FAILED',
      });
      for (let i = 0; i < 10; i += 1) await send(producer, topic, `during ${i}`, [0, 1]);
      await everyPartition;
      // The metadata of a new producer never contained a leader of it.
      const fresh = await connect();
      await send(fresh, topic, 'fresh', [0, 1]);
      await fresh.disconnect();
    } finally {
      await stack.resume('kafka-3');
    }
    await eventually('confirmed again', () => send(producer, topic, 'after', [0, 1, 2]), PATIENCE);
    await producer.disconnect();
  }, 600_000);
});

/** Starts a consumer that fetches a topic by its id. */
async function consumeById(topic: string): Promise<{
  readonly values: Set<string>;
  readonly crashes: unknown[];
  stop: () => Promise<void>;
}> {
  const service = inProcessService();
  const guard = await openTopicGuard(kafka, [topic], (ids) => Promise.resolve(ids), service.context);
  const values = new Set<string>();
  const crashes: unknown[] = [];
  const consumer = await ChunkConsumer.start({
    kafka,
    groupId: topic,
    topics: [topic],
    topicIds: guard.ids,
    config: loadConfig(z.object(consumerConfigShape), {}),
    chunkSize: 100,
    concurrency: 3,
    fromBeginning: true,
    commitIntervalMs: 500,
    backoff: { initialDelayMs: 5, maxDelayMs: 20 },
    admit: () => guard.confirm(),
    process: ({ partition, messages }) => {
      for (const { value } of messages) values.add(`${String(value)} in ${partition}`);
      return Promise.resolve(DONE);
    },
    onCrash: (error) => crashes.push(error),
    log: silentLogger(),
  });
  const stop = async (): Promise<void> => {
    await consumer.stop();
    await service.stop();
  };
  return { values, crashes, stop };
}

describe('changes of partition leaders', () => {
  it('lose no confirmed message, also for a consumer that fetches by topic id', async () => {
    const topic = await createTopic(
      [
        [1, 2, 3],
        [2, 3, 1],
        [3, 1, 2],
      ],
      2,
    );
    const producer = await connect();
    const reader = await TopicReader.open(kafka, [topic]);
    const byId = await consumeById(topic);
    const leaders = await KafkaLeaders.of(kafka, [topic]);
    const confirmed: string[] = [];
    const moved = new AbortController();
    const sending = (async () => {
      for (let i = 0; !moved.signal.aborted; i += 1) {
        await eventually('confirmed', () => send(producer, topic, `window ${i}`, [0, 1, 2]), PATIENCE);
        confirmed.push(`window ${i}`);
      }
    })();
    try {
      for (let moves = 0; moves < 3; moves += 1) expect(await leaders.move()).toBe(3);
    } finally {
      moved.abort();
      await sending;
    }
    const expected = confirmed.flatMap((value) => [0, 1, 2].map((partition) => `${value} in ${partition}`));
    const allThere = (): boolean => {
      const found = new Set(
        reader.messages.map(({ partition, message }) => `${String(message.value)} in ${partition}`),
      );
      return expected.every((each) => found.has(each));
    };
    await eventually('all that was confirmed is there', allThere, PATIENCE);
    await eventually('it has arrived by id', () => expected.every((each) => byId.values.has(each)), PATIENCE);
    expect(byId.crashes).toEqual([]);
    await Promise.all([producer.disconnect(), reader.close(), leaders.close(), byId.stop()]);
  }, 600_000);
});
