import {
  kafkaRights,
  topicNames,
  topicsOf,
  topicsOfService,
  type Service,
  type TopicNames,
} from '@bulk/contracts';
import { openDependency, type ServiceContext } from '@bulk/runtime';
import type { Kafka } from 'kafkajs';
import { checkKafkaRights } from './admin/access.ts';
import { ClusterProbe } from './admin/cluster-probe.ts';
import { createKafka } from './client/client.ts';
import type { KafkaConfig } from './client/config.ts';
import { KAFKA_UNAVAILABLE } from './client/errors.ts';
import { MessageCodec, SCHEMA_REGISTRY_UNAVAILABLE } from './registry/message-codec.ts';
import { MessageProducer, PRODUCE_FAILED, type ProducerOptions } from './producer/message-producer.ts';
import { ensureTopics } from './admin/topics.ts';

/** The parts with which a service sends and receives messages. */
export interface Messaging {
  readonly kafka: Kafka;
  readonly topics: TopicNames;
  readonly codec: MessageCodec;
  readonly producing: ProducerOptions;
}

/** Names on `/healthz`. */
export const KAFKA = 'kafka';
export const SCHEMA_REGISTRY = 'schema registry';
export const KAFKA_PRODUCER = 'kafka producer';

/**
 * Waits for Kafka and the Schema Registry. It creates the missing topics that the service uses and registers their
 * schemas, or, if ENSURE_TOPICS or REGISTER_SCHEMAS is false, waits for the installer to do so. Then it checks that the
 * service's Kafka user has the rights that the service needs. Each service starts so.
 *
 * @throws the signal's reason if the service is stopped first.
 */
export async function openMessaging(
  service: Service,
  config: KafkaConfig,
  context: ServiceContext,
): Promise<Messaging> {
  const topics = topicNames(config.TOPIC_PREFIX);
  const own = topicsOfService(topics, service);
  const kafka = createKafka(`bulk-${service}`, config, context.log);
  const rights = kafkaRights(service, config.TOPIC_PREFIX);
  const open = async (): Promise<void> => {
    await ensureTopics(kafka, own, config);
    await checkKafkaRights(kafka, rights);
  };
  await openDependency(KAFKA, open, context);
  const codec = await openDependency(SCHEMA_REGISTRY, () => MessageCodec.open(config, own), context);
  const probe = new ClusterProbe(kafka);
  context.releasers.push('kafka probe', () => probe.close());
  context.dependencies.add({ name: KAFKA, code: KAFKA_UNAVAILABLE, probe: () => probe.ask() });
  // A process looks up each schema once, so it needs the registry only for a schema that it has not met yet.
  context.dependencies.add({
    name: SCHEMA_REGISTRY,
    code: SCHEMA_REGISTRY_UNAVAILABLE,
    probe: () => codec.ping(),
    probed: 'failed',
  });
  return { kafka, topics, codec, producing: { deliveryTimeoutMs: config.KAFKA_DELIVERY_TIMEOUT_MS } };
}

/** Connects a producer and waits for Kafka. The producer is disconnected when the service releases what it opened. */
export async function openProducer(
  { kafka, codec, producing }: Messaging,
  context: ServiceContext,
): Promise<MessageProducer> {
  const { log, releasers } = context;
  const producer = await openDependency(
    KAFKA_PRODUCER,
    () => MessageProducer.connect(kafka, codec, log, producing),
    context,
  );
  releasers.push(KAFKA_PRODUCER, () => producer.disconnect());
  context.dependencies.add({ name: KAFKA_PRODUCER, code: PRODUCE_FAILED, probe: () => producer.ping() });
  return producer;
}

/**
 * Creates every missing topic of the installation and registers every schema, whatever ENSURE_TOPICS and
 * REGISTER_SCHEMAS say: the installer's part.
 *
 * @throws the signal's reason if the installer is stopped first.
 */
export async function installMessaging(
  config: KafkaConfig,
  context: ServiceContext,
): Promise<Pick<Messaging, 'kafka' | 'topics'>> {
  const topics = topicNames(config.TOPIC_PREFIX);
  const all = topicsOf(topics);
  const kafka = createKafka('bulk-installer', config, context.log);
  await openDependency(KAFKA, () => ensureTopics(kafka, all, { ...config, ENSURE_TOPICS: true }), context);
  await openDependency(SCHEMA_REGISTRY, () => MessageCodec.install(config, all), context);
  return { kafka, topics };
}
