import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { eventually, TestInstallation } from '@bulk/testing';
import type { Consumer, ConsumerConfig } from 'kafkajs';
import ConsumerGroup from 'kafkajs/src/consumer/consumerGroup.js';
import type { ChunkConsumer } from '../src/consumer/chunk-consumer.ts';
import { DONE, type Disposition } from '../src/consumer/disposition.ts';
import { committed, deferred, groupOf, send, startConsumer, type Behaviour } from './consume.ts';

const installations: TestInstallation[] = [];
afterEach(async () => {
  jest.restoreAllMocks();
  for (const installation of installations.splice(0)) await installation.dispose();
});

/** Each installation has a results topic of three partitions on one broker. */
async function installation(): Promise<TestInstallation> {
  const own = await TestInstallation.create('queues');
  installations.push(own);
  return own;
}

const consume = (
  own: TestInstallation,
  options: Behaviour,
  env?: Readonly<Record<string, string>>,
): Promise<ChunkConsumer> => startConsumer(own, { chunkSize: 10, ...options }, env);

/** Counts the requests of the consumers of an installation by name, and their answers' bytes. */
function countRequests(own: TestInstallation): {
  kafka: TestInstallation['kafka'];
  sizes: Map<string, number[]>;
} {
  const sizes = new Map<string, number[]>();
  const kafka = new Proxy(own.kafka, {
    get: (target, name): unknown => {
      if (name !== 'consumer') return (Reflect.get(target, name, target) as () => unknown).bind(target);
      return (config: ConsumerConfig): Consumer => {
        const consumer = target.consumer(config);
        consumer.on(consumer.events.REQUEST, ({ payload }) => {
          sizes.set(payload.apiName, [...(sizes.get(payload.apiName) ?? []), payload.size]);
        });
        return consumer;
      };
    },
  });
  return { kafka, sizes };
}

/** Gives access to the kafkajs consumers that are created through the client. */
function watchConsumers(own: TestInstallation): { kafka: TestInstallation['kafka']; consumers: Consumer[] } {
  const consumers: Consumer[] = [];
  const kafka = new Proxy(own.kafka, {
    get: (target, name): unknown => {
      if (name !== 'consumer') return (Reflect.get(target, name, target) as () => unknown).bind(target);
      return (config: ConsumerConfig): Consumer => {
        const consumer = target.consumer(config);
        consumers.push(consumer);
        return consumer;
      };
    },
  });
  return { kafka, consumers };
}

describe('a partition of a ChunkConsumer', () => {
  it.each<[string, (released: Promise<void>) => Promise<Disposition>]>([
    ['waits for a retry', () => Promise.resolve({ kind: 'retry', done: 0, afterMs: 600_000 })],
    ['hangs', (released) => released.then(() => DONE)],
    ['fails each time', () => Promise.reject(new Error('stuck'))],
  ])('delays no other partition of its broker when it %s', async (_case, stuck) => {
    const own = await installation();
    const release = deferred();
    const seen: number[] = [];
    let isStuck = false;
    // One place: a partition that waits must not hold it. One that hangs has a place of its own.
    await consume(own, {
      concurrency: 2,
      chunkSize: 1,
      process: ({ partition, messages }) => {
        if (partition === 0) {
          isStuck = true;
          return stuck(release.promise);
        }
        seen.push(...messages.map(({ offset }) => offset));
        return Promise.resolve(DONE);
      },
    });
    // The consumer stops after this, and would wait for the chunk.
    own.onDispose(() => {
      release.resolve();
      return Promise.resolve();
    });
    await send(own, 0, 2);
    await eventually('partition 0 is stuck', () => isStuck);
    for (let n = 1; n <= 5; n += 1) {
      await send(own, 1, 1);
      await eventually(`message ${n} behind it`, () => seen.length === n, { timeoutMs: 5_000 });
    }
    expect(seen).toEqual([0, 1, 2, 3, 4]);
  });

  it('takes a place only for processing, so that others pass while it waits', async () => {
    const own = await installation();
    let isWaiting = false;
    const seen: number[] = [];
    await consume(own, {
      concurrency: 1,
      process: ({ partition }) => {
        if (partition !== 0) seen.push(partition);
        else isWaiting = true;
        return Promise.resolve(partition === 0 ? { kind: 'retry', done: 0, afterMs: 600_000 } : DONE);
      },
    });
    await send(own, 0, 1);
    await eventually('partition 0 waits', () => isWaiting);
    await send(own, 1, 1);
    await send(own, 2, 1);
    await eventually('both others', () => seen.length === 2);
  });

  it('gives a chunk the messages before the first one that is not due, and delays no other partition', async () => {
    const own = await installation();
    await send(own, 0, 4);
    await send(own, 1, 1);
    const dueAt = Date.now() + 3_000;
    const chunks: string[] = [];
    const times: number[] = [];
    await consume(own, {
      dueAt: ({ partition, offset }) => (partition === 0 && offset >= 2 ? dueAt : 0),
      process: ({ partition, messages }) => {
        chunks.push(`${partition}: ${messages.map(({ offset }) => offset).join()}`);
        times.push(Date.now());
        return Promise.resolve(DONE);
      },
    });
    await eventually('all', () => chunks.length === 3);
    expect(chunks.slice(0, 2).sort()).toEqual(['0: 0,1', '1: 0']);
    expect(chunks[2]).toBe('0: 2,3');
    expect(times[2]).toBeGreaterThanOrEqual(dueAt);
  });

  it('is retried after the finished messages, with the same objects and with new messages', async () => {
    const own = await installation();
    await send(own, 0, 3);
    const tries: (readonly object[])[] = [];
    const offsets: string[] = [];
    await consume(own, {
      process: async ({ messages }) => {
        tries.push(messages);
        offsets.push(messages.map(({ offset }) => offset).join());
        if (tries.length > 1) return DONE;
        await send(own, 0, 1);
        return { kind: 'retry', done: 1, afterMs: 2_000 };
      },
    });
    await eventually('the second try', () => tries.length === 2);
    expect(offsets).toEqual(['0,1,2', '1,2,3']);
    expect(tries[1]![0]).toBe(tries[0]![1]);
    await eventually('the commit', async () => (await committed(own)).get(0) === 4);
  });
});

describe('a ChunkConsumer that stops after a crash', () => {
  it('stays stopped when kafkajs restarts it by its timer', async () => {
    const own = await installation();
    const { kafka, consumers } = watchConsumers(own);
    const consumer = await consume(own, { kafka, process: () => Promise.resolve(DONE) });
    await send(own, 0, 1);
    await eventually('the commit', async () => (await committed(own)).get(0) === 1);
    let fetches = 0;
    const [watched] = consumers;
    watched!.on(watched!.events.FETCH_START, () => (fetches += 1));
    const crash = new Promise((resolve) => watched!.on(watched!.events.CRASH, resolve));
    const error = Object.assign(new Error('a crash'), {
      name: 'KafkaJSNumberOfRetriesExceeded',
      retryTime: 500,
    });
    jest.spyOn(ConsumerGroup.prototype, 'heartbeat').mockRejectedValue(error);
    await crash;
    jest.restoreAllMocks();
    await consumer.stop();
    const stoppedAt = performance.now();
    const before = fetches;
    await eventually('the time of the restart has passed', () => performance.now() - stoppedAt > 2_000);
    expect(fetches - before).toBeLessThanOrEqual(1);
  });
});

describe('the admission of messages by a ChunkConsumer', () => {
  it('holds fetched messages back until it is granted', async () => {
    const own = await installation();
    await send(own, 0, 3);
    const seen: number[] = [];
    const given = deferred();
    let asked = 0;
    const admin = own.kafka.admin();
    await admin.connect();
    await admin.setOffsets({
      groupId: groupOf(own),
      topic: own.topics.results,
      partitions: [{ partition: 0, offset: '1' }],
    });
    await admin.disconnect();
    await consume(own, {
      admit: () => {
        asked += 1;
        return given.promise;
      },
      process: ({ messages }) => {
        seen.push(...messages.map(({ offset }) => offset));
        return Promise.resolve(DONE);
      },
    });
    await eventually('the question', () => asked === 1);
    expect(seen).toEqual([]);
    given.resolve();
    await eventually('the messages', () => seen.length === 2);
    expect(seen).toEqual([1, 2]);
  });
});

describe('the queue of a partition', () => {
  it('pauses the partition when it is full and resumes it when it is half empty, within its bound', async () => {
    const own = await installation();
    const MESSAGE = 20_000;
    const QUEUE = 600_000;
    await send(own, 0, 60, MESSAGE);
    const { kafka, sizes } = countRequests(own);
    const release = deferred();
    const seen: number[] = [];
    await consume(
      own,
      {
        kafka,
        chunkSize: 1,
        process: async ({ messages }) => {
          await release.promise;
          seen.push(...messages.map(({ offset }) => offset));
          return DONE;
        },
      },
      { KAFKA_QUEUE_MAX_BYTES: String(QUEUE) },
    );
    const fetched = (): number => (sizes.get('Fetch') ?? []).reduce((sum, size) => sum + size, 0);
    const polls = (): number => sizes.get('Fetch')?.length ?? 0;
    await eventually('something is fetched', () => fetched() > MESSAGE);
    const before = polls();
    await eventually('further fetches without it', () => polls() > before + 5);
    // A share of three, and what the answers without messages take.
    expect(fetched()).toBeLessThanOrEqual(QUEUE / 3 + MESSAGE + 500 * polls());
    release.resolve();
    await eventually('all of them', () => seen.length === 60);
    expect(seen).toEqual(Array.from({ length: 60 }, (_, i) => i));
  });

  it('passes a message that is larger than its bound and than a fetch', async () => {
    const own = await installation();
    const sizes: number[] = [];
    await send(own, 0, 1, 400_000);
    await send(own, 0, 1, 10);
    await send(own, 0, 1, 400_000);
    await consume(
      own,
      {
        process: ({ messages }) => {
          sizes.push(...messages.map(({ value }) => value!.length));
          return Promise.resolve(DONE);
        },
      },
      { KAFKA_QUEUE_MAX_BYTES: '60000', KAFKA_FETCH_MAX_BYTES: '30000' },
    );
    await eventually('all of them', () => sizes.length === 3);
    expect(sizes).toEqual([400_000, 10, 400_000]);
  });
});

describe('a fetch', () => {
  it('is held back after a fetch with messages, so that messages under load share fetches', async () => {
    const own = await installation();
    const chunks: number[] = [];
    await send(own, 0, 1);
    await consume(
      own,
      {
        chunkSize: 100,
        process: ({ messages }) => {
          chunks.push(messages.length);
          return Promise.resolve(DONE);
        },
      },
      { KAFKA_FETCH_LINGER_MS: '1000' },
    );
    await eventually('the first message', () => chunks.length === 1);
    await send(own, 0, 20);
    await eventually('all of them', () => chunks.reduce((sum, n) => sum + n, 0) === 21);
    expect(chunks.length).toBeLessThan(8);
  });
});

describe('commits', () => {
  it('of several partitions share one request', async () => {
    const own = await installation();
    for (const partition of [0, 1, 2]) await send(own, partition, 5);
    const { kafka, sizes } = countRequests(own);
    let done = 0;
    await consume(own, {
      kafka,
      commitIntervalMs: 2_000,
      process: ({ messages }) => {
        done += messages.length;
        return Promise.resolve(DONE);
      },
    });
    await eventually('all are done', () => done === 15);
    await eventually('the commits', async () => {
      const offsets = await committed(own);
      return [0, 1, 2].every((partition) => offsets.get(partition) === 5);
    });
    expect(sizes.get('OffsetCommit')).toHaveLength(1);
  });

  it('are sent again when they fail, and the consumer stays in its group', async () => {
    const own = await installation();
    await send(own, 0, 1);
    const joinAndSync = Object.getOwnPropertyDescriptor(ConsumerGroup.prototype, 'joinAndSync')!
      .value as ConsumerGroup['joinAndSync'];
    let failures = 0;
    jest.spyOn(ConsumerGroup.prototype, 'joinAndSync').mockImplementation(async function (
      this: ConsumerGroup,
    ) {
      await joinAndSync.call(this);
      const { offsetManager } = this;
      const commitOffsets = offsetManager.commitOffsets.bind(offsetManager);
      offsetManager.commitOffsets = (offsets) =>
        failures-- > 0 ? Promise.reject(new Error('no coordinator')) : commitOffsets(offsets);
    });
    let joins = 0;
    const processed: number[] = [];
    await consume(own, {
      onAssigned: () => (joins += 1),
      process: ({ messages }) => {
        processed.push(...messages.map(({ offset }) => offset));
        return Promise.resolve(DONE);
      },
    });
    // A topic that was just created may make kafkajs join again at first.
    await eventually('the first commit', async () => (await committed(own)).get(0) === 1);
    const before = joins;
    failures = 3;
    await send(own, 0, 3);
    await eventually('the commit', async () => (await committed(own)).get(0) === 4);
    expect(failures).toBeLessThan(0);
    expect([processed, joins]).toEqual([[0, 1, 2, 3], before]);
  });
});

describe('a rebalance', () => {
  it('loses nothing with full queues and repeats no chunk that ends in time', async () => {
    const own = await installation();
    const EACH = 60;
    for (const partition of [0, 1, 2]) await send(own, partition, EACH);
    const done: string[] = [];
    const perMember = [0, 0];
    const member = (index: number): Promise<ChunkConsumer> =>
      consume(own, {
        chunkSize: 5,
        process: async ({ partition, messages }) => {
          await new Promise((resolve) => setTimeout(resolve, 200));
          perMember[index]! += messages.length;
          done.push(...messages.map(({ offset }) => `${partition}/${offset}`));
          return DONE;
        },
      });
    await member(0);
    await eventually('the first member is at work', () => done.length > 0);
    await member(1);
    await eventually('all of them', () => new Set(done).size === 3 * EACH);
    expect(perMember[1]).toBeGreaterThan(0);
    expect(done).toHaveLength(3 * EACH);
    await eventually('the commits', async () =>
      [...(await committed(own)).values()].every((offset) => offset === EACH),
    );
  });

  it('ends the wait for a retry, and commits only the finished messages of its chunk', async () => {
    const own = await installation();
    await send(own, 0, 5);
    let tries = 0;
    const first = await consume(own, {
      process: () => {
        tries += 1;
        return Promise.resolve({ kind: 'retry', done: 2, afterMs: 600_000 });
      },
    });
    await eventually('the commit', async () => (await committed(own)).get(0) === 2);
    await first.stop();
    const rest: number[] = [];
    await consume(own, {
      process: ({ messages }) => {
        rest.push(...messages.map(({ offset }) => offset));
        return Promise.resolve(DONE);
      },
    });
    await eventually('the rest', () => rest.length === 3);
    expect([rest, tries]).toEqual([[2, 3, 4], 1]);
  });

  it('is not delayed by a chunk that outlasts it, whose late result moves no position', async () => {
    const own = await installation();
    await send(own, 0, 1);
    const [late, successor] = [deferred(), deferred()];
    own.onDispose(() => {
      late.resolve();
      successor.resolve();
      return Promise.resolve();
    });
    let started = 0;
    let lateEnds = 0;
    let joins = 0;
    const member = (): Promise<ChunkConsumer> =>
      consume(
        own,
        {
          onAssigned: () => (joins += 1),
          process: async () => {
            started += 1;
            if (started > 1) {
              await successor.promise;
              return DONE;
            }
            await late.promise;
            lateEnds += 1;
            return DONE;
          },
        },
        { KAFKA_HANDOVER_MS: '100' },
      );
    await member();
    await eventually('the chunk is under way', () => started === 1);
    await member();
    await eventually('both are members', () => joins >= 3);
    late.resolve();
    await eventually('the new owner has the chunk', () => started === 2 && lateEnds === 1);
    // Several intervals of the commits.
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect((await committed(own)).get(0)).toBe(-1);
    successor.resolve();
    await eventually('the commit of the new owner', async () => (await committed(own)).get(0) === 1);
  });
});

describe('a chunk that exceeds KAFKA_MAX_PROCESSING_MS', () => {
  it('loses its partition, which is processed again although the chunk still hangs', async () => {
    const own = await installation();
    await send(own, 0, 1);
    const hang = deferred();
    own.onDispose(() => {
      hang.resolve();
      return Promise.resolve();
    });
    const ends: unknown[] = [];
    const processed: number[] = [];
    let joins = 0;
    await consume(
      own,
      {
        onAssigned: () => (joins += 1),
        process: async (chunk) => {
          if (joins === 1 && chunk.partition === 0) {
            await hang.promise;
            ends.push(await chunk.confirmOwnership().catch((error: unknown) => error));
          } else processed.push(chunk.partition);
          return DONE;
        },
      },
      { KAFKA_MAX_PROCESSING_MS: '1000', KAFKA_HANDOVER_MS: '100' },
    );
    await eventually('its partition is processed again', () => processed.includes(0));
    expect(joins).toBe(2);
    hang.resolve();
    await eventually('the chunk ends', () => ends.length === 1);
    expect(ends[0]).toMatchObject({ code: 'PARTITION_LOST' });
  });
});
