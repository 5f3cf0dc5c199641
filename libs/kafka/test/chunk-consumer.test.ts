import { afterEach, describe, expect, it } from '@jest/globals';
import { eventually, TestInstallation } from '@bulk/testing';
import type { ChunkConsumer, Chunk } from '../src/consumer/chunk-consumer.ts';
import { startWorker, type Work } from './consume.ts';

const installations: TestInstallation[] = [];
afterEach(async () => {
  for (const installation of installations.splice(0)) await installation.dispose();
});

async function topicWith(count: number): Promise<TestInstallation> {
  const installation = await TestInstallation.create('chunks');
  installations.push(installation);
  const producer = installation.kafka.producer();
  await producer.connect();
  await producer.send({
    topic: installation.topics.actions, // one partition
    messages: Array.from({ length: count }, (_, i) => ({ value: String(i) })),
  });
  await producer.disconnect();
  return installation;
}

const consume = (own: TestInstallation, work: Work): Promise<ChunkConsumer> =>
  startWorker(own, { topics: [own.topics.actions], chunkSize: 4, concurrency: 1, ...work });
const values = (chunk: Chunk): number[] => chunk.messages.map(({ value }) => Number(String(value)));
const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

describe('ChunkConsumer', () => {
  it('delivers every message once, in order, in chunks of at most the maximum size', async () => {
    const installation = await topicWith(30);
    const seen: number[] = [];
    const sizes: number[] = [];
    await consume(installation, {
      process: (chunk) => {
        seen.push(...values(chunk));
        sizes.push(chunk.messages.length);
        return Promise.resolve();
      },
    });
    await eventually('all messages', () => seen.length >= 30);
    expect(seen).toEqual(upTo(30));
    expect(Math.max(...sizes)).toBeLessThanOrEqual(4);
  });

  it('retries a chunk in place until it succeeds, whatever kind of error is thrown', async () => {
    const installation = await topicWith(6);
    const done: number[] = [];
    const tried: number[][] = [];
    const faults = [new TypeError('a bug'), new RangeError('another'), new Error('unavailable')];
    await consume(installation, {
      process: (chunk) => {
        tried.push(values(chunk));
        const fault = faults.shift();
        if (fault !== undefined) return Promise.reject(fault);
        done.push(...values(chunk));
        return Promise.resolve();
      },
    });
    await eventually('all messages', () => done.length >= 6);
    expect(done).toEqual(upTo(6));
    expect(new Set(tried.slice(0, 4).map(String)).size).toBe(1);
  });

  it('commits only finished chunks, and a successor starts with the chunk that was under way', async () => {
    const installation = await topicWith(12);
    const first: number[] = [];
    let fails = 0;
    const consumer = await consume(installation, {
      process: (chunk) => {
        if (values(chunk).includes(4)) {
          fails += 1;
          return Promise.reject(new Error('stuck'));
        }
        first.push(...values(chunk));
        return Promise.resolve();
      },
    });
    await eventually('the first chunk is done and the second is stuck', () => fails > 1);
    await consumer.stop();
    const second: number[] = [];
    await consume(installation, {
      process: (chunk) => {
        second.push(...values(chunk));
        return Promise.resolve();
      },
    });
    await eventually('the rest', () => second.length >= 8);
    expect(first).toEqual([0, 1, 2, 3]);
    expect(second).toEqual([4, 5, 6, 7, 8, 9, 10, 11]);
  });

  it('finishes and commits the chunk under way when it is stopped', async () => {
    const installation = await topicWith(8);
    const finish = deferred();
    const done: number[] = [];
    const started = deferred();
    const consumer = await consume(installation, {
      process: async (chunk) => {
        started.resolve();
        await finish.promise;
        done.push(...values(chunk));
      },
    });
    await started.promise;
    const stopped = consumer.stop();
    finish.resolve();
    await stopped;
    expect(done).toEqual([0, 1, 2, 3]);
    const rest: number[] = [];
    await consume(installation, {
      process: (chunk) => {
        rest.push(...values(chunk));
        return Promise.resolve();
      },
    });
    await eventually('the rest', () => rest.length >= 4);
    expect(rest).toEqual([4, 5, 6, 7]);
  });

  it('sees every message that is appended after it is positioned at the end of the topic', async () => {
    const installation = await topicWith(5);
    const seen: number[] = [];
    await new Promise<void>((resolve, reject) => {
      consume(installation, {
        fromBeginning: false,
        onPositioned: resolve,
        process: (chunk) => {
          seen.push(...values(chunk));
          return Promise.resolve();
        },
      }).catch(reject);
    });
    const producer = installation.kafka.producer();
    await producer.connect();
    await producer.send({ topic: installation.topics.actions, messages: [{ value: '5' }] });
    await producer.disconnect();
    await eventually('the message', () => seen.length > 0);
    expect(seen).toEqual([5]);
  });
});

function deferred(): { promise: Promise<void>; resolve: () => void } {
  let resolve = (): void => undefined;
  const promise = new Promise<void>((done) => (resolve = done));
  return { promise, resolve };
}
