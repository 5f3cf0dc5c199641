import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { eventually, TestInstallation } from '@bulk/testing';
import { CompressionTypes } from 'kafkajs';
import Broker from 'kafkajs/src/broker/index.js';
import Connection from 'kafkajs/src/network/connection.js';
import { Consumption } from '../src/admin/consumption.ts';
import { TopicGuard, TopicReplacedError } from '../src/admin/topic-guard.ts';
import { TopicIds } from '../src/admin/topic-ids.ts';
import { groupOf, send, startWorker } from './consume.ts';

const FETCH = 1;

/** Returns a method to be called with another `this`. */
const methodOf = (prototype: object, name: string): unknown =>
  Object.getOwnPropertyDescriptor(prototype, name)?.value;

let own: TestInstallation;
let guard: TopicGuard;
let versions: Set<number>;
/** The questions that the consumer asked about its topics, and their refusals. */
let questions: number;
let refusals: unknown[];
beforeEach(async () => {
  own = await TestInstallation.create('fetch');
  const ids = new TopicIds(own.kafka);
  own.onDispose(() => ids.close());
  guard = new TopicGuard(ids, await ids.of([own.topics.results, own.topics.progress]));
  versions = new Set();
  questions = 0;
  refusals = [];
  const original = methodOf(Connection.prototype, 'send') as Connection['send'];
  jest.spyOn(Connection.prototype, 'send').mockImplementation(function (this: Connection, sent) {
    const { request } = sent as { request: { apiKey: number; apiVersion: number } };
    if (request.apiKey === FETCH) versions.add(request.apiVersion);
    return original.call(this, sent);
  });
});
afterEach(async () => {
  jest.restoreAllMocks();
  await own.dispose();
});

/** Starts a consumer of the results and progress topics. Its `values` are what it has processed, with topics. */
async function consume(commitIntervalMs: number): Promise<string[]> {
  const values: string[] = [];
  await startWorker(own, {
    topics: [own.topics.results, own.topics.progress],
    topicIds: guard.ids,
    commitIntervalMs,
    admit: async (topic) => {
      questions += 1;
      await guard.confirm([topic]).catch((error: unknown) => {
        refusals.push(error);
        throw error;
      });
    },
    process: ({ topic, messages }) => {
      const name = topic === own.topics.results ? 'results' : 'progress';
      values.push(...messages.map(({ value }) => `${name} ${String(value)}`));
      return Promise.resolve();
    },
  });
  return values;
}

async function publish(topic: string, value: string, compression = CompressionTypes.None): Promise<void> {
  const producer = own.kafka.producer();
  await producer.connect();
  const messages = [{ value, partition: 0 }];
  await eventually('published', () => producer.send({ topic, messages, compression }).catch(() => undefined));
  await producer.disconnect();
}

/** As a broker before Kafka 3.1 answers. */
function withoutIds(): void {
  const apiVersions = methodOf(Broker.prototype, 'apiVersions') as Broker['apiVersions'];
  jest.spyOn(Broker.prototype, 'apiVersions').mockImplementation(async function (this: Broker) {
    return { ...(await apiVersions.call(this)), [FETCH]: { minVersion: 4, maxVersion: 12 } };
  });
}

describe('a consumer that knows the ids of its topics', () => {
  it('reads what is there and what follows, compressed or not, next to empty partitions, without a question', async () => {
    const { results, progress } = own.topics;
    await publish(results, 'plain');
    await publish(results, 'zipped', CompressionTypes.GZIP);
    const values = await consume(60_000);
    await eventually('what was there', () => values.length === 2);
    await publish(progress, 'later', CompressionTypes.GZIP);
    await publish(results, 'later');
    await eventually('what followed', () => values.length === 4);
    expect(values.slice(0, 2)).toEqual(['results plain', 'results zipped']);
    expect(values.slice(2).sort()).toEqual(['progress later', 'results later']);
    expect([...versions]).toEqual([13]);
    expect(questions).toBe(0);
  });

  it.each([
    ['fetches by id', 13, () => undefined],
    ['asks about its topics if brokers do not fetch by id', 11, withoutIds],
  ])(
    '%s, and processes and commits nothing of a topic that was deleted and created again',
    async (_title, version, prepare) => {
      prepare();
      const { results, progress } = own.topics;
      await publish(results, 'before');
      const values = await consume(50);
      await eventually('the first message', () => values.length === 1);
      await own.recreateTopic(results);
      await send(own, 0, 3);
      await send(own, 1, 3);
      await eventually('the refusal', () => refusals.some((error) => error instanceof TopicReplacedError));
      // Another topic of the same fetches continues, over more than one question about the first.
      for (const value of ['a', 'b']) {
        const before = refusals.length;
        await publish(progress, value);
        await eventually('the other topic', () => values.includes(`progress ${value}`));
        await eventually('it is asked again', () => refusals.length > before);
      }
      expect(values).toEqual(['results before', 'progress a', 'progress b']);
      // Whether Kafka has dropped the offsets of the old topic yet, and what kafkajs commits for "the beginning" (-2) if it
      // fetched beyond the end of the empty topic, does not matter to the next consumer. It starts at the first message.
      await eventually('the group starts at the first message of each partition', async () => {
        const positions = await Consumption.ask(own.kafka, (asked) => asked.positions(groupOf(own), results));
        expect(positions).toEqual({ 0: 0, 1: 0, 2: 0 });
        return true;
      });
      expect(Math.max(...versions)).toBe(version);
    },
  );
});
