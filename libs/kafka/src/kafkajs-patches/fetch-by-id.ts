import { delay } from '@bulk/runtime';
import Broker, { type FetchDefinitions } from 'kafkajs/src/broker/index.js';
import Cluster from 'kafkajs/src/cluster/index.js';
import { KafkaJSProtocolError } from 'kafkajs/src/errors.js';
import fetchResponse from 'kafkajs/src/protocol/requests/fetch/v11/response.js';
import {
  decodeFetch,
  encodeFetch,
  FETCH,
  FETCH_BY_ID,
  type FetchAnswer,
  type FetchArguments,
  type IdsByTopic,
} from './fetch-v13.ts';

/** Error codes of a topic that the broker knows by another id, or not at all: UNKNOWN_TOPIC_ID, INCONSISTENT_TOPIC_ID. */
const NOT_THAT_TOPIC = new Set([100, 103]);

/** Time for which a topic that a broker has refused is not fetched from that broker, in ms. */
const REFUSED_MS = 1_000;

/** The topics that a consumer fetches by their ids. */
export interface TopicsById {
  readonly ids: IdsByTopic;
  /** Called when a broker does not know the topic by its id, at most once per broker and second. It must not throw. */
  refused(topic: string): void;
}

/** What is known of a broker of a consumer. */
interface AskedBroker {
  readonly topics: TopicsById;
  /** Has the consumer ask for the metadata of its topics before its next fetch. */
  readonly refreshMetadata: () => void;
  /** Topic → until when it is not fetched, in ms on the monotonic clock. */
  readonly refusedUntil: Map<string, number>;
  canFetchById: Promise<boolean> | undefined;
}

const ofClusters = new WeakMap<object, TopicsById>();
const ofBrokers = new WeakMap<Broker, AskedBroker>();
const fetchedById = new WeakSet<object>();

/** Has the consumer of a kafkajs cluster fetch these topics by their ids. Each kafkajs consumer has a cluster of its own. */
export function attachTopicIds(cluster: object, topics: TopicsById): void {
  ofClusters.set(cluster, topics);
}

/** Returns whether Kafka has checked the id of the topic when it returned this batch. */
export function wasFetchedById(batch: object): boolean {
  // kafkajs keeps the array of the answer in the batch that it creates.
  const messages: unknown = Reflect.get(batch, 'rawMessages');
  return typeof messages === 'object' && messages !== null && fetchedById.has(messages);
}

let fetches = false;

/**
 * Makes kafkajs 2.2.4 fetch topics by their ids (Fetch, version 13) for consumers with attached ids. The broker then
 * refuses a topic that was deleted and created again under the same name.
 *
 * A consumer with a topic that has no id, and a broker before Kafka 3.1, keep the version of kafkajs. A topic that is
 * refused leaves the other topics of its fetch alone. The consumer asks for it again after a second.
 */
export function fetchTopicsById(): void {
  if (fetches) return;
  fetches = true;
  const findBroker = Object.getOwnPropertyDescriptor(Cluster.prototype, 'findBroker')?.value as
    Cluster['findBroker'] | undefined;
  const fetch = Object.getOwnPropertyDescriptor(Broker.prototype, 'fetch')?.value as
    Broker['fetch'] | undefined;
  // In another version nothing is marked as fetched by id, and every fetch is confirmed by a question.
  if (findBroker === undefined || fetch === undefined) return;

  Cluster.prototype.findBroker = async function (this: Cluster, options) {
    const broker = await findBroker.call(this, options);
    const topics = ofClusters.get(this);
    if (topics === undefined || ofBrokers.has(broker)) return broker;
    const refreshMetadata = (): void => void (this.brokerPool.metadataExpireAt = 0);
    ofBrokers.set(broker, { topics, refreshMetadata, refusedUntil: new Map(), canFetchById: undefined });
    return broker;
  };

  Broker.prototype.fetch = async function (this: Broker, options) {
    const asked = ofBrokers.get(this);
    if (asked === undefined || !options.topics.every(({ topic }) => asked.topics.ids.has(topic)))
      return fetch.call(this, options);
    if (!(await canFetchById(this, asked))) return fetch.call(this, options);
    const now = performance.now();
    const topics = options.topics.filter(({ topic }) => (asked.refusedUntil.get(topic) ?? 0) <= now);
    if (topics.length > 0) return fetch.call(fetchingById(this, asked), { ...options, topics });
    await delay(Math.min(options.maxWaitTime, REFUSED_MS));
    return { responses: [] };
  };
}

/**
 * Asks each broker itself. kafkajs takes the versions of the first broker for those of all, and during an upgrade of
 * Kafka they differ.
 */
function canFetchById(broker: Broker, asked: AskedBroker): Promise<boolean> {
  asked.canFetchById ??= broker.apiVersions().then(
    (versions) => (versions[FETCH]?.maxVersion ?? 0) >= FETCH_BY_ID,
    (error: unknown) => {
      asked.canFetchById = undefined;
      throw error;
    },
  );
  return asked.canFetchById;
}

/** Returns the broker with another request for its fetches. kafkajs still decides what it asks for, and how long. */
function fetchingById(broker: Broker, asked: AskedBroker): Broker {
  const lookupRequest = (apiKey: number, definitions: FetchDefinitions) => {
    const request = broker.lookupRequest(apiKey, definitions);
    return (options: FetchArguments) => ({ ...request(options), ...requestById(options, asked) });
  };
  return Object.create(broker, { lookupRequest: { value: lookupRequest } }) as Broker;
}

function requestById(options: FetchArguments, asked: AskedBroker): object {
  const { ids } = asked.topics;
  return {
    request: {
      apiKey: FETCH,
      apiVersion: FETCH_BY_ID,
      apiName: 'Fetch',
      encode: () => Promise.resolve(encodeFetch(options, ids)),
    },
    response: {
      decode: (bytes: Buffer) => decodeFetch(bytes, ids),
      parse: (answer: FetchAnswer) => fetchResponse.parse(withoutRefused(answer, asked)),
    },
  };
}

/** Takes the refused topics out of an answer, reports them, and marks the rest as fetched by id. */
function withoutRefused(answer: FetchAnswer, asked: AskedBroker): FetchAnswer {
  const { errorCode } = answer;
  // kafkajs ignores it, and a fetch without any answer would be repeated at once.
  if (errorCode !== 0)
    throw new KafkaJSProtocolError({
      type: 'FETCH_FAILED',
      code: errorCode,
      retriable: true,
      message: `The broker refused a fetch with error ${errorCode}`,
    });
  const refused = new Set<string>();
  const responses = answer.responses.map(({ topicName, partitions }) => ({
    topicName,
    partitions: partitions.filter((partition) => {
      if (NOT_THAT_TOPIC.has(partition.errorCode)) refused.add(topicName);
      else fetchedById.add(partition.messages);
      return !NOT_THAT_TOPIC.has(partition.errorCode);
    }),
  }));
  // The topic may be gone, or the partition may be led by another broker.
  if (refused.size > 0) asked.refreshMetadata();
  for (const topic of refused) {
    asked.refusedUntil.set(topic, performance.now() + REFUSED_MS);
    asked.topics.refused(topic);
  }
  return { ...answer, responses };
}
