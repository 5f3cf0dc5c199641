import { LANES } from '@bulk/domain';
import { MESSAGES } from '../messages.ts';
import { RETRY_TIERS, type TopicNames } from '../topics.ts';
import { ref, type DocumentParts, type Json } from './parts.ts';

export interface KafkaFacts {
  readonly topics: TopicNames;
  /** Partitions of each lane's topic. */
  readonly lanePartitions: number;
  /** Partitions of results and progress. */
  readonly resultsPartitions: number;
  /** Of all topics but progress. */
  readonly retentionHours: number;
}

const HOUR_MS = 3_600_000;
const BINDING = '0.5.0';
/** Avro's binary form behind a magic byte and the schema's id. */
const AVRO = 'application/vnd.apache.avro+json;version=1.9.0';

/** What is the same for all messages of one kind. */
interface MessageFacts {
  readonly type: (typeof MESSAGES)[keyof typeof MESSAGES];
  readonly key: string;
  readonly headers: Readonly<Record<string, string>>;
}

const ACTION_KEY = 'The action (`actionId`), as UTF-8.';
const ACCOUNT = "The action's account: to filter without decoding.";
const ACTION = 'The action.';
const BATCH = 'The batch within its action, from 0.';
const GENERATION = 'How often the batch was replayed from the dead letters, as text; absent: never.';

const MESSAGE_FACTS: readonly MessageFacts[] = [
  {
    type: MESSAGES.actionSubmitted,
    key: ACTION_KEY,
    headers: { 'action-id': ACTION, 'account-id': ACCOUNT },
  },
  {
    type: MESSAGES.entityBatch,
    key: `${ACTION_KEY} The partition is that of the entities, by hash of (entityType, entityId).`,
    headers: { 'action-id': ACTION, 'batch-no': BATCH, generation: GENERATION },
  },
  {
    type: MESSAGES.batchResult,
    key: ACTION_KEY,
    headers: {
      'result-id': 'The same for every repetition of this result.',
      'account-id': ACCOUNT,
      generation: GENERATION,
    },
  },
  { type: MESSAGES.actionProgress, key: ACTION_KEY, headers: { 'account-id': ACCOUNT } },
  {
    type: MESSAGES.deadLetter,
    key: 'That of the original message.',
    headers: {
      'dead-letter-code': 'Stable code of the cause.',
      'dead-letter-service': 'Who gave it up.',
      'dead-letter-attempts': 'How often it was tried.',
      'dead-letter-origin': 'topic/partition/offset.',
      'action-id': `${ACTION} Where it is known.`,
      'batch-no': `${BATCH} Where it is known.`,
      generation: GENERATION,
    },
  },
];

const AT_LEAST_ONCE = 'Delivered at least once.';
const STABLE =
  'For other systems, too: its schema changes only in ways that are FULLY compatible, so old and new readers and writers understand each other.';
const INTERNAL = "Between the platform's own services: look, but do not build on it.";

/** The Kafka topics: what is on them, under which keys and headers, how often delivered and for how long kept. */
export function kafkaParts({
  topics,
  lanePartitions,
  resultsPartitions,
  retentionHours,
}: KafkaFacts): DocumentParts {
  const retentionMs = retentionHours * HOUR_MS;
  const channels: Record<string, Json> = {
    actions: channel(topics.actions, MESSAGES.actionSubmitted.name, 1, retentionMs, [
      'Each action when its dispatch begins.',
      `${AT_LEAST_ONCE} A repetition has the same actionId.`,
      INTERNAL,
    ]),
    ...Object.fromEntries(
      LANES.map((lane) => [
        `entityBatches.${lane}`,
        channel(topics.entityBatches[lane], MESSAGES.entityBatch.name, lanePartitions, retentionMs, [
          `What the ${lane} lane has to do: batches of entities that share a partition, in the order of their actions.`,
          `${AT_LEAST_ONCE} A repetition has the same actionId and batchNo.`,
          INTERNAL,
        ]),
      ]),
    ),
    ...Object.fromEntries(
      RETRY_TIERS.map((tier) => [
        `retries.${tier}`,
        channel(topics.retries[tier], MESSAGES.entityBatch.name, lanePartitions, retentionMs, [
          `Batches that wait for another try, byte for byte, in the ${tier} tier. Headers retry-* hold where a batch stood in its lane, from when on it is tried (retry-not-before) and what is settled of it (retry-progress).`,
          `${AT_LEAST_ONCE} A repetition has the same actionId and batchNo.`,
          INTERNAL,
        ]),
      ]),
    ),
    results: channel(topics.results, MESSAGES.batchResult.name, resultsPartitions, retentionMs, [
      'The outcome of every position, a batch a message. All results of an action are in one partition.',
      `${AT_LEAST_ONCE} A repetition has the same resultId and generation (also headers), and the first one counts. A higher generation comes of a replay and replaces the outcomes of the lower ones.`,
      STABLE,
    ]),
    progress: channel(topics.progress, MESSAGES.actionProgress.name, resultsPartitions, HOUR_MS, [
      "The whole state of an action's counts after each change. Only the newest matters.",
      `${AT_LEAST_ONCE} A higher version is newer; drop what is not.`,
      STABLE,
    ]),
    deadLetters: channel(topics.deadLetters, MESSAGES.deadLetter.name, 1, retentionMs, [
      'Messages that could not be processed, byte for byte, with the cause.',
      `${AT_LEAST_ONCE} A repetition has the same origin.`,
      INTERNAL,
    ]),
  };
  const sends = Object.keys(channels).map((name) => [`send.${name}`, operation('send', name)]);
  const receives = [
    'entityBatches.high',
    'entityBatches.normal',
    'entityBatches.low',
    ...RETRY_TIERS.map((tier) => `retries.${tier}`),
    'results',
    'progress',
  ].map((name) => [`receive.${name}`, operation('receive', name)]);
  return {
    servers: { kafka: server() },
    channels,
    operations: Object.fromEntries([...sends, ...receives]) as Record<string, Json>,
    messages: Object.fromEntries(MESSAGE_FACTS.map((facts) => [facts.type.name, message(facts)])),
  };
}

function server(): Json {
  return {
    host: '{broker}',
    protocol: 'kafka',
    description:
      "The values are Avro in Confluent's wire format; their schemas are in the Schema Registry under `<topic>-value`.",
    variables: { broker: { default: 'localhost:9092', description: 'One of KAFKA_BROKERS.' } },
  };
}

function channel(
  address: string,
  messageName: string,
  partitions: number,
  retentionMs: number,
  description: readonly string[],
): Json {
  return {
    address,
    description: description.join(' '),
    servers: [ref('servers', 'kafka')],
    messages: { [messageName]: ref('components', 'messages', messageName) },
    bindings: {
      kafka: {
        topic: address,
        partitions,
        topicConfiguration: { 'cleanup.policy': ['delete'], 'retention.ms': retentionMs },
        bindingVersion: BINDING,
      },
    },
  };
}

function operation(action: 'send' | 'receive', channelName: string): Json {
  return { action, channel: ref('channels', channelName) };
}

function message({ type, key, headers }: MessageFacts): Json {
  const { doc } = type.avro as { doc?: string };
  return {
    name: type.name,
    title: type.name,
    ...(doc === undefined ? {} : { summary: doc }),
    contentType: 'application/vnd.confluent.avro',
    headers: {
      type: 'object',
      properties: Object.fromEntries(
        Object.entries(headers).map(([name, description]) => [name, { type: 'string', description }]),
      ),
      required: Object.keys(headers),
    },
    payload: { schemaFormat: AVRO, schema: type.avro },
    bindings: {
      kafka: {
        key: { type: 'string', description: key },
        schemaIdLocation: 'payload',
        schemaIdPayloadEncoding: 'confluent',
        schemaLookupStrategy: 'TopicNameStrategy',
        bindingVersion: BINDING,
      },
    },
  };
}
