import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { eventually, TestInstallation } from '@bulk/testing';
import type { Consumer, ConsumerConfig } from 'kafkajs';
import ConsumerGroup from 'kafkajs/src/consumer/consumerGroup.js';
import type { Chunk } from '../src/consumer/chunk-consumer.ts';
import { PartitionLostError } from '../src/consumer/ownership.ts';
import { HEARTBEAT_MS, startWorker } from './consume.ts';

const installations: TestInstallation[] = [];
afterEach(async () => {
  jest.restoreAllMocks();
  for (const installation of installations.splice(0)) await installation.dispose();
});

/** Three partitions with two messages each. */
async function installation(): Promise<TestInstallation> {
  const own = await TestInstallation.create('ownership');
  installations.push(own);
  const producer = own.kafka.producer();
  await producer.connect();
  for (const partition of [0, 1, 2, 0, 1, 2])
    await producer.send({ topic: own.topics.results, messages: [{ value: 'x', partition }] });
  await producer.disconnect();
  return own;
}

describe('Chunk.confirmOwnership', () => {
  it('detects that its member has joined again while a chunk was processed, and does not change the new offsets', async () => {
    const own = await installation();
    const groups: ConsumerGroup[] = [];
    const fetch = Object.getOwnPropertyDescriptor(ConsumerGroup.prototype, 'fetch')!
      .value as ConsumerGroup['fetch'];
    jest.spyOn(ConsumerGroup.prototype, 'fetch').mockImplementation(function (this: ConsumerGroup, nodeId) {
      if (!groups.includes(this)) groups.push(this);
      return fetch.call(this, nodeId);
    });
    let isFree = false;
    const seen = new Set<number>();
    const answers: unknown[] = [];
    const processed: number[] = [];
    await startWorker(own, {
      process: async (chunk: Chunk) => {
        if (isFree) {
          processed.push(chunk.partition);
          return;
        }
        seen.add(chunk.partition);
        await eventually('the fetch continues', () => isFree, { everyMs: 5 });
        const answer: unknown = await chunk.confirmOwnership().catch((error: unknown) => error);
        answers.push(answer);
        if (answer instanceof Error) throw answer;
      },
    });
    await eventually('all three are processed at once', () => seen.size === 3);
    const second = startWorker(own, {
      process: ({ partition }) => {
        processed.push(partition);
        return Promise.resolve();
      },
    });
    // kafkajs does this when a fetch from another broker finds that the metadata is stale.
    let both = false;
    const joined = second.then(() => (both = true));
    await eventually('both are members', async () => {
      await groups[0]!.joinAndSync();
      return both;
    });
    await joined;
    isFree = true;
    await eventually('all have their answers', () => answers.length === 3);
    expect(answers.every((answer) => answer instanceof PartitionLostError)).toBe(true);
    await eventually('the owners of the new generation process every message', () => processed.length >= 6);
    expect(processed.toSorted((x, y) => x - y)).toEqual([0, 0, 1, 1, 2, 2]);
  });

  it('asks the group again after the interval, although the wall clock was set back', async () => {
    const own = await installation();
    let heartbeats = 0;
    const counting = new Proxy(own.kafka, {
      get: (target, name): unknown => {
        if (name !== 'consumer') return (Reflect.get(target, name, target) as () => unknown).bind(target);
        return (config: ConsumerConfig): Consumer => {
          const consumer = target.consumer(config);
          consumer.on(consumer.events.HEARTBEAT, () => (heartbeats += 1));
          return consumer;
        };
      },
    });
    const asked: number[] = [];
    const now = Date.now.bind(Date);
    await startWorker(own, {
      kafka: counting,
      concurrency: 1,
      process: async (chunk) => {
        if (asked.length > 0) return;
        await chunk.confirmOwnership();
        jest.spyOn(Date, 'now').mockImplementation(() => now() - 3_600_000);
        const before = heartbeats;
        const until = performance.now() + 2 * HEARTBEAT_MS;
        await eventually('the interval is over', () => performance.now() > until, { everyMs: 20 });
        await chunk.confirmOwnership();
        asked.push(heartbeats - before, before);
        jest.restoreAllMocks();
      },
    });
    await eventually('it was asked', () => asked.length > 0);
    expect(asked[0]).toBeGreaterThan(0);
  });
});
