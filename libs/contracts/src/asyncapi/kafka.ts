import { MESSAGES, type MessageType } from '../kafka/messages.ts';
import {
  partitionsOf,
  retentionHoursOf,
  topicsOf,
  type Topic,
  type TopicNames,
  type TopicSettings,
} from '../kafka/topics.ts';
import { ref, type DocumentParts, type Json } from './parts.ts';

/** The topics of an installation, and the settings that their partitions and retention follow. */
export interface KafkaFacts {
  readonly topics: TopicNames;
  readonly settings: TopicSettings;
}

const BINDING = '0.5.0';
/** Avro's binary form, after a magic byte and the id of the schema. */
const AVRO = 'application/vnd.apache.avro+json;version=1.9.0';
const AT_LEAST_ONCE = 'Delivered at least once.';
const KEPT = 'At least `KAFKA_RETENTION_HOURS` hours.';
const HOUR_MS = 3_600_000;

/** Returns the Kafka part of the document: messages, keys, headers, delivery and retention of each topic. */
export function kafkaParts({ topics, settings }: KafkaFacts): DocumentParts {
  const all = topicsOf(topics);
  const sends = all.map((topic) => [`send.${channelOf(topic)}`, operation('send', topic)]);
  const receives = all
    .filter(({ consumers }) => Object.keys(consumers).length > 0)
    .map((topic) => [`receive.${channelOf(topic)}`, operation('receive', topic)]);
  return {
    servers: { kafka: server() },
    channels: Object.fromEntries(all.map((topic) => [channelOf(topic), channel(topic, settings)])),
    operations: Object.fromEntries([...sends, ...receives]) as Record<string, Json>,
    messages: Object.fromEntries(
      Object.values(MESSAGES).map((message) => [message.name, messageOf(message)]),
    ),
  };
}

/** Returns the name of a topic's channel in the document: its row, and its lane or tier. */
function channelOf({ key, member }: Topic): string {
  return member === undefined ? key : `${key}.${member}`;
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

function channel(topic: Topic, settings: TopicSettings): Json {
  const { name: address, message, purpose, repetition, compatibility, retention } = topic;
  return {
    address,
    description: [purpose, AT_LEAST_ONCE, repetition, compatibility].join(' '),
    servers: [ref('servers', 'kafka')],
    messages: { [message.name]: ref('components', 'messages', message.name) },
    bindings: {
      kafka: {
        topic: address,
        partitions: partitionsOf(topic, settings),
        topicConfiguration: {
          'cleanup.policy': ['delete'],
          'retention.ms': retentionHoursOf(topic, settings) * HOUR_MS,
        },
        bindingVersion: BINDING,
      },
    },
    // The parts of the description, and facts that AsyncAPI has no field for. docs/reference/events.md is generated
    // from them.
    'x-contract': {
      purpose,
      producers: topic.producers,
      consumers: Object.keys(topic.consumers),
      partitioning: topic.partitioning,
      ordering: topic.ordering,
      delivery: `At least once. ${repetition}`,
      retention: typeof retention === 'string' ? KEPT : retention.because,
      compatibility,
    },
  };
}

function operation(action: 'send' | 'receive', topic: Topic): Json {
  return { action, channel: ref('channels', channelOf(topic)) };
}

function messageOf({ name, avro, key, headers, optionalHeaders }: MessageType<unknown>): Json {
  const { doc } = avro as { doc?: string };
  return {
    name,
    title: name,
    ...(doc === undefined ? {} : { summary: doc }),
    contentType: 'application/vnd.confluent.avro',
    headers: {
      type: 'object',
      properties: Object.fromEntries(
        Object.entries({ ...headers, ...optionalHeaders }).map(([name, description]) => [
          name,
          { type: 'string', description },
        ]),
      ),
      required: Object.keys(headers),
    },
    payload: { schemaFormat: AVRO, schema: avro },
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
