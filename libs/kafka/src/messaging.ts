import { topicNames, type TopicNames } from '@bulk/contracts';
import { openDependency, type ServiceContext } from '@bulk/runtime';
import type { Kafka } from 'kafkajs';
import { createKafka } from './client.ts';
import type { KafkaConfig } from './config.ts';
import { MessageCodec } from './message-codec.ts';
import { MessageProducer } from './producer.ts';
import { ensureTopics } from './topics.ts';

/** What a service sends and receives with. */
export interface Messaging {
  readonly kafka: Kafka;
  readonly topics: TopicNames;
  readonly codec: MessageCodec;
}

/** Name of the producer on `/readyz`. */
export const KAFKA_PRODUCER = 'kafka producer';

/**
 * Waits for Kafka and the Schema Registry, creates what topics are missing and registers every schema: the start of each
 * service.
 *
 * @throws the signal's reason when the service is told to stop first.
 */
export async function openMessaging(
  clientId: string,
  config: KafkaConfig,
  context: ServiceContext,
): Promise<Messaging> {
  const topics = topicNames(config.TOPIC_PREFIX);
  const kafka = createKafka(clientId, config.KAFKA_BROKERS, context.log);
  await openDependency('kafka', () => ensureTopics(kafka, topics, config), context);
  const codec = await openDependency(
    'schema registry',
    () => MessageCodec.register(config.SCHEMA_REGISTRY_URL, topics),
    context,
  );
  return { kafka, topics, codec };
}

/** Connects a producer, waiting for Kafka; it is disconnected when the service releases what it opened. */
export async function openProducer(
  { kafka, codec }: Messaging,
  context: ServiceContext,
): Promise<MessageProducer> {
  const { log, releasers } = context;
  const producer = await openDependency(
    KAFKA_PRODUCER,
    () => MessageProducer.connect(kafka, codec, log),
    context,
  );
  releasers.push(KAFKA_PRODUCER, () => producer.disconnect());
  return producer;
}
