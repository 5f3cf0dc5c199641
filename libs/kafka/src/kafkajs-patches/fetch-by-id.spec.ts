import { beforeEach, expect, it } from '@jest/globals';
import Broker, { type FetchOptions } from 'kafkajs/src/broker/index.js';
import Cluster from 'kafkajs/src/cluster/index.js';
import { attachTopicIds, fetchTopicsById } from './fetch-by-id.ts';
import { FETCH } from './fetch-v13.ts';

const IDS = new Map([
  ['one', '000102030405060708090a0b0c0d0e0f'],
  ['two', 'f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff'],
]);
const UNKNOWN_TOPIC_ID = 100;
const INCONSISTENT_TOPIC_ID = 103;

interface SentRequest {
  readonly request: {
    readonly apiName: string;
    readonly apiVersion: number;
    encode(): Promise<{ buffer: Buffer }>;
  };
  readonly response: { parse(answer: object): Promise<{ responses: readonly object[] }> };
  readonly requestTimeout?: number;
}

/** A broker that answers Fetch with these errors, and the requests that it got. */
class FakeBroker {
  readonly sent: SentRequest[] = [];
  readonly refused: string[] = [];
  readonly cluster: { brokerPool: { metadataExpireAt: number } };
  readonly errors = new Map<string, number>();
  errorCode = 0;
  maxVersion = 17;
  readonly #broker: Broker;

  constructor() {
    const connectionPool = {
      host: 'broker',
      port: 1,
      connectionTimeout: 1,
      send: (sent: SentRequest) => this.#answer(sent),
    };
    this.#broker = new Broker({
      connectionPool,
      logger: { namespace: () => undefined },
      versions: { [FETCH]: { minVersion: 4, maxVersion: 17 } },
    });
    this.#broker.lookupRequest = (_apiKey, { protocol }) => protocol({ version: 11 });
    const broker = this.#broker;
    this.cluster = {
      brokerPool: { findBroker: () => Promise.resolve(broker), metadataExpireAt: Infinity } as never,
    };
  }

  /** Fetches partition 0 of these topics, as a consumer does. */
  async fetch(...topics: string[]): Promise<{ responses: readonly object[] }> {
    const partitions = [{ partition: 0, fetchOffset: '0', maxBytes: 1 }];
    const options: FetchOptions = { maxWaitTime: 1, topics: topics.map((topic) => ({ topic, partitions })) };
    const broker = await Cluster.prototype.findBroker.call(this.cluster as unknown as Cluster, {
      nodeId: '1',
    });
    return broker.fetch(options);
  }

  /** The version and the topics of the fetches that the broker got. */
  async fetches(): Promise<[version: number, ...topics: string[]][]> {
    const fetches = this.sent.filter(({ request }) => request.apiName === 'Fetch');
    return Promise.all(
      fetches.map(async ({ request }) => {
        const { buffer } = await request.encode();
        const isIn = ([name, id]: [string, string]): boolean =>
          buffer.includes(Buffer.from(id, 'hex')) || buffer.includes(name);
        return [request.apiVersion, ...[...IDS].filter(isIn).map(([name]) => name)];
      }),
    );
  }

  async #answer(sent: SentRequest): Promise<object> {
    this.sent.push(sent);
    if (sent.request.apiName === 'ApiVersions')
      return { apiVersions: [{ apiKey: FETCH, minVersion: 4, maxVersion: this.maxVersion }] };
    const [, ...topics] = (await this.fetches()).at(-1)!;
    return sent.response.parse({
      errorCode: this.errorCode,
      responses: topics.map((topicName) => ({
        topicName,
        partitions: [{ partition: 0, errorCode: this.errors.get(topicName) ?? 0, messages: [] }],
      })),
    });
  }
}

let broker: FakeBroker;
beforeEach(() => {
  fetchTopicsById();
  broker = new FakeBroker();
  attachTopicIds(broker.cluster, { ids: IDS, refused: (topic) => broker.refused.push(topic) });
});

it('asks for topics by their ids, and waits as long as kafkajs', async () => {
  expect((await broker.fetch('one', 'two')).responses).toHaveLength(2);
  expect(await broker.fetches()).toEqual([[13, 'one', 'two']]);
  expect(broker.sent.at(-1)?.requestTimeout).toBe(101);
  expect(broker.refused).toEqual([]);
});

it.each([UNKNOWN_TOPIC_ID, INCONSISTENT_TOPIC_ID])(
  'returns the other topics if a broker refuses one with error %i, and leaves it alone for a while',
  async (code) => {
    broker.errors.set('one', code);
    expect((await broker.fetch('one', 'two')).responses).toEqual([
      { topicName: 'one', partitions: [] },
      { topicName: 'two', partitions: [{ partition: 0, errorCode: 0, messages: [] }] },
    ]);
    expect(broker.refused).toEqual(['one']);
    expect(broker.cluster.brokerPool.metadataExpireAt).toBe(0);
    expect((await broker.fetch('one', 'two')).responses).toHaveLength(1);
    expect((await broker.fetch('one')).responses).toEqual([]);
    expect(await broker.fetches()).toEqual([
      [13, 'one', 'two'],
      [13, 'two'],
    ]);
    expect(broker.refused).toEqual(['one']);
  },
);

it('fails a fetch with any other error as kafkajs does', async () => {
  broker.errors.set('one', 6);
  await expect(broker.fetch('one', 'two')).rejects.toMatchObject({ type: 'NOT_LEADER_FOR_PARTITION' });
  expect(broker.refused).toEqual([]);
});

it('fails a fetch that the broker refuses as a whole, so that it is not repeated at once', async () => {
  broker.errorCode = -1;
  await expect(broker.fetch('one')).rejects.toMatchObject({ code: -1, retriable: true });
});

it('asks by name if the broker does not support ids, or a topic has none', async () => {
  await broker.fetch('one', 'three');
  broker.maxVersion = 12;
  await broker.fetch('one');
  expect(await broker.fetches()).toEqual([
    [11, 'one'],
    [11, 'one'],
  ]);
});

it('asks each broker once which versions it supports', async () => {
  await broker.fetch('one');
  await broker.fetch('one');
  expect(broker.sent.map(({ request }) => request.apiName)).toEqual(['ApiVersions', 'Fetch', 'Fetch']);
});
