import { ref, type DocumentParts, type Json } from './parts.ts';
import { MESSAGE_FACTS, type MessageFacts } from './message-facts.ts';
import { topicFacts, type KafkaFacts, type TopicFacts } from './topic-facts.ts';

export type { KafkaFacts } from './topic-facts.ts';

const BINDING = '0.5.0';
/** Avro's binary form behind a magic byte and the schema's id. */
const AVRO = 'application/vnd.apache.avro+json;version=1.9.0';
const AT_LEAST_ONCE = 'Delivered at least once.';

/** The Kafka topics: what is on them, under which keys and headers, how often delivered and for how long kept. */
export function kafkaParts(facts: KafkaFacts): DocumentParts {
  const topics = topicFacts(facts);
  const sends = topics.map(({ name }) => [`send.${name}`, operation('send', name)]);
  const receives = topics
    .filter(({ received }) => received)
    .map(({ name }) => [`receive.${name}`, operation('receive', name)]);
  return {
    servers: { kafka: server() },
    channels: Object.fromEntries(topics.map((topic) => [topic.name, channel(topic)])),
    operations: Object.fromEntries([...sends, ...receives]) as Record<string, Json>,
    messages: Object.fromEntries(MESSAGE_FACTS.map((message) => [message.type.name, messageOf(message)])),
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

function channel(topic: TopicFacts): Json {
  const { address, message, partitions, retentionMs, purpose, repetition, compatibility } = topic;
  return {
    address,
    description: [purpose, AT_LEAST_ONCE, repetition, compatibility].join(' '),
    servers: [ref('servers', 'kafka')],
    messages: { [message]: ref('components', 'messages', message) },
    bindings: {
      kafka: {
        topic: address,
        partitions,
        topicConfiguration: { 'cleanup.policy': ['delete'], 'retention.ms': retentionMs },
        bindingVersion: BINDING,
      },
    },
    // What the description says, apart, and what AsyncAPI has no word for: docs/reference/events.md is made of it.
    'x-contract': {
      purpose,
      partitioning: topic.partitioning,
      ordering: topic.ordering,
      delivery: `At least once. ${repetition}`,
      retention: topic.retention,
      compatibility,
    },
  };
}

function operation(action: 'send' | 'receive', channelName: string): Json {
  return { action, channel: ref('channels', channelName) };
}

function messageOf({ type, key, headers, optionalHeaders = {} }: MessageFacts): Json {
  const { doc } = type.avro as { doc?: string };
  return {
    name: type.name,
    title: type.name,
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
