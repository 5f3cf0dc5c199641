import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { silentLogger } from '@bulk/runtime';
import { eventually, TestInstallation } from '@bulk/testing';
import {
  KafkaJSError,
  KafkaJSNonRetriableError,
  type Consumer,
  type ConsumerConfig,
  type ConsumerRunConfig,
  type Kafka,
  type ProducerConfig,
} from 'kafkajs';
import type { Chunk } from '../src/consumer/chunk-consumer.ts';
import { MessageProducer } from '../src/producer/message-producer.ts';
import { SESSION_MS, startWorker } from './consume.ts';

const installations: TestInstallation[] = [];
afterEach(async () => {
  jest.restoreAllMocks();
  for (const installation of installations.splice(0)) await installation.dispose();
});

async function installation(): Promise<TestInstallation> {
  const created = await TestInstallation.create('traps');
  installations.push(created);
  return created;
}

async function send(own: TestInstallation, topic: string, values: readonly Buffer[]): Promise<void> {
  const producer = own.kafka.producer();
  await producer.connect();
  for (const [i, value] of values.entries())
    await producer.send({ topic, messages: [{ value, partition: i % 3 }] });
  await producer.disconnect();
}

const numbers = (count: number): Buffer[] => Array.from({ length: count }, (_, i) => Buffer.from(String(i)));
const values = (chunk: Chunk): number[] => chunk.messages.map(({ value }) => Number(String(value)));

/** A client whose consumers pass through `wrap`, to inject faults of kafkajs itself and to observe it. */
function withConsumers(kafka: Kafka, wrap: (consumer: Consumer, config: ConsumerConfig) => Consumer): Kafka {
  return new Proxy(kafka, {
    get: (target, name): unknown =>
      name === 'consumer'
        ? (config: ConsumerConfig) => wrap(target.consumer(config), config)
        : (Reflect.get(target, name, target) as () => unknown).bind(target),
  });
}

/** A consumer whose first batch makes kafkajs itself fail. */
const failingOnce =
  (error: Error) =>
  (consumer: Consumer): Consumer => {
    let fails = true;
    const run = consumer.run.bind(consumer);
    consumer.run = (config?: ConsumerRunConfig) =>
      run({
        ...config,
        eachBatch: async (payload) => {
          if (fails) {
            fails = false;
            throw error;
          }
          await config?.eachBatch?.(payload);
        },
      });
    return consumer;
  };

describe('a consumer that crashes (tulios/kafkajs#885, #1443, #1445)', () => {
  it('reports a crash from which kafkajs does not restart', async () => {
    const own = await installation();
    await send(own, own.topics.results, numbers(1));
    const crashes: unknown[] = [];
    const error = new KafkaJSNonRetriableError('for good');
    await startWorker(own, {
      kafka: withConsumers(own.kafka, failingOnce(error)),
      process: () => Promise.resolve(),
      onCrash: (crash) => crashes.push(crash),
    });
    await eventually('the crash', () => crashes.length > 0);
    expect(String(crashes[0])).toContain('for good');
  });

  it('restarts by itself after any other crash, and reports when it is interrupted and back', async () => {
    const own = await installation();
    await send(own, own.topics.results, numbers(3));
    const events: string[] = [];
    const seen = new Set<number>();
    // An error that kafkajs does not retry in place.
    const error = Object.assign(new KafkaJSError('gone'), { name: 'KafkaJSNoBrokerAvailableError' });
    const kafka = withConsumers(own.kafka, failingOnce(error));
    await startWorker(own, {
      kafka,
      process: (chunk) => {
        for (const value of values(chunk)) seen.add(value);
        return Promise.resolve();
      },
      onInterrupted: () => events.push('interrupted'),
      onAssigned: () => events.push('assigned'),
    });
    await eventually('all messages', () => seen.size === 3);
    expect(events).toEqual(['assigned', 'interrupted', 'assigned']);
  });

  it('hides the errors of processing from kafkajs, also those for which kafkajs would stop', async () => {
    const own = await installation();
    await send(own, own.topics.results, numbers(1));
    const errors: Error[] = [new TypeError('a bug'), new KafkaJSNonRetriableError('for good')];
    const seen: number[] = [];
    await startWorker(own, {
      process: (chunk) => {
        const error = errors.shift();
        if (error !== undefined) return Promise.reject(error);
        seen.push(...values(chunk));
        return Promise.resolve();
      },
    });
    await eventually('the message', () => seen.length > 0);
  });
});

describe('work that is longer than the session (tulios/kafkajs#447, #624)', () => {
  it('keeps its partition', async () => {
    const own = await installation();
    await send(own, own.topics.results, numbers(1));
    const processed: number[] = [];
    let joins = 0;
    await startWorker(own, {
      process: async (chunk) => {
        // The group of a topic that has just been created may assign its partitions again at the start.
        joins = 0;
        await new Promise((resolve) => setTimeout(resolve, SESSION_MS * 1.5));
        processed.push(...values(chunk));
      },
      onAssigned: () => (joins += 1),
    });
    await eventually('the message', () => processed.length > 0);
    const admin = own.kafka.admin();
    await admin.connect();
    const committed = async (): Promise<boolean> => {
      const [offsets] = await admin.fetchOffsets({
        groupId: `${own.env['TOPIC_PREFIX']!}group`,
        topics: [own.topics.results],
      });
      return offsets?.partitions.find(({ partition }) => partition === 0)?.offset === '1';
    };
    await eventually('the commit', committed);
    await admin.disconnect();
    expect([processed, joins]).toEqual([[0], 0]);
  });
});

describe('the memory for fetched messages', () => {
  const BOUND = 1_000_000;
  const MESSAGE = 100_000;

  it('is bounded over all partitions, however many are processed concurrently', async () => {
    const own = await installation();
    await send(
      own,
      own.topics.results,
      Array.from({ length: 60 }, () => Buffer.alloc(MESSAGE)),
    );
    const responses: number[] = [];
    const sizes = new Map<number, number>();
    const kafka = withConsumers(own.kafka, (consumer) => {
      consumer.on(consumer.events.REQUEST, ({ payload }) => {
        if (payload.apiName === 'Fetch' && payload.size > MESSAGE / 2) responses.push(payload.size);
      });
      return consumer;
    });
    let goOn = (): void => undefined;
    const blocked = new Promise<void>((resolve) => (goOn = resolve));
    await startWorker(
      own,
      {
        kafka,
        process: async (chunk) => {
          sizes.set(chunk.partition, (sizes.get(chunk.partition) ?? 0) + chunk.messages.length);
          await blocked;
        },
      },
      { KAFKA_FETCH_MAX_BYTES: String(BOUND) },
    );
    await eventually('the first fetch', () => responses.length > 0 && sizes.size > 0);
    // Several times as long as the next fetch would take.
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    // By default twice the bound of a fetch, and one message that goes beyond the share of each partition.
    const fetched = responses.reduce((sum, size) => sum + size, 0);
    expect(fetched).toBeLessThanOrEqual(2 * BOUND + 3 * MESSAGE);
    goOn();
    await eventually('all of them', () => [...sizes.values()].reduce((sum, n) => sum + n, 0) === 60);
    // The bound, and the message that goes beyond it.
    expect(Math.max(...responses)).toBeLessThan(BOUND + MESSAGE + 10_000);
  });
});

describe('an idle connection (tulios/kafkajs#1704, #1751)', () => {
  it('sets no timer with a negative time, and does not check for requests a thousand times a second', async () => {
    const own = await installation();
    const timers = jest.spyOn(globalThis, 'setTimeout');
    const admin = own.kafka.admin();
    await admin.connect();
    await admin.describeCluster();
    timers.mockClear();
    await new Promise((resolve) => setTimeout(resolve, 300));
    await admin.describeCluster();
    const delays = timers.mock.calls.map(([, ms]) => ms ?? 0);
    await admin.disconnect();
    expect(delays.filter((ms) => !(ms >= 0))).toEqual([]);
    expect(delays.length).toBeLessThan(10);
  });
});

describe('transactions (tulios/kafkajs#296, #304)', () => {
  it('are not used by a producer, which is idempotent with one request at a time', async () => {
    const own = await installation();
    const created: (ProducerConfig | undefined)[] = [];
    const kafka = new Proxy(own.kafka, {
      get: (target, name): unknown =>
        name === 'producer'
          ? (config?: ProducerConfig) => {
              created.push(config);
              return target.producer(config);
            }
          : (Reflect.get(target, name, target) as () => unknown).bind(target),
    });
    const producer = await MessageProducer.connect(kafka, await own.codec(), silentLogger());
    await producer.disconnect();
    expect(created).toEqual([expect.objectContaining({ idempotent: true, maxInFlightRequests: 1 })]);
    expect(created[0]).not.toHaveProperty('transactionalId');
  });
});
