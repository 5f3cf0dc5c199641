import { DEFAULT_TOPIC_PREFIX } from '@bulk/contracts';
import { integer, list, retentionConfigShape } from '@bulk/runtime';
import { z } from 'zod';
import { checkKafkaConfig, kafkaSecurityShape } from './security.ts';

export const DEFAULT_DELIVERY_TIMEOUT_MS = 60_000;

/** Variables of every service that talks to Kafka. */
export const kafkaConfigShape = {
  KAFKA_BROKERS: list(['127.0.0.1:9092'], 'Brokers to start from: host:port, separated by commas.'),
  SCHEMA_REGISTRY_URL: z
    .url('expected a URL')
    .default('http://127.0.0.1:8081')
    .meta({ description: 'Base URL of a Confluent-compatible Schema Registry, path included.' }),
  TOPIC_PREFIX: z
    .string()
    .regex(/^[A-Za-z0-9._-]{0,100}$/, 'expected letters, digits, ".", "_" or "-"')
    .default(DEFAULT_TOPIC_PREFIX)
    .meta({ description: 'Prefix of every topic and consumer group.' }),
  KAFKA_REPLICATION_FACTOR: integer({ min: 1, max: 9 }, 1, 'Replicas of each topic; 3 in production.'),
  KAFKA_MIN_INSYNC_REPLICAS: integer(
    { min: 1, max: 9 },
    1,
    'min.insync.replicas of each topic; 2 in production.',
  ),
  KAFKA_LANE_PARTITIONS: integer(
    { min: 1, max: 1000 },
    6,
    "Partitions of each lane's topic. Fixed at creation: entities are routed by hash over them.",
  ),
  KAFKA_RESULTS_PARTITIONS: integer(
    { min: 1, max: 1000 },
    6,
    'Partitions of the results and progress topics.',
  ),
  ...retentionConfigShape,
  ...kafkaSecurityShape,
  KAFKA_REQUEST_TIMEOUT_MS: integer(
    { min: 1_000, max: 600_000 },
    20_000,
    'Longest wait for an answer of Kafka; then the request fails and is retried, in ms.',
  ),
  KAFKA_DELIVERY_TIMEOUT_MS: integer(
    { min: 1_000, max: 3_600_000 },
    DEFAULT_DELIVERY_TIMEOUT_MS,
    'Maximum time from a send to its confirmation, with retries and the wait for earlier messages of its partition, in ms. A higher value rides out longer faults.',
  ),
};

/** These variables alone, checked together: for tools. */
export const kafkaConfigSchema = z.object(kafkaConfigShape).superRefine(checkKafkaConfig);

/** Variables of every service that consumes. */
export const consumerConfigShape = {
  KAFKA_SESSION_TIMEOUT_MS: integer(
    { min: 1_000, max: 1_800_000 },
    30_000,
    'A consumer silent for this long loses its partitions, in ms.',
  ),
  KAFKA_HEARTBEAT_INTERVAL_MS: integer({ min: 100, max: 600_000 }, 3_000, 'Time between heartbeats, in ms.'),
  KAFKA_MAX_PROCESSING_MS: integer(
    { min: 1_000, max: 86_400_000 },
    300_000,
    'Messages that take longer than this in one go get no more heartbeats: their partition moves on, in ms.',
  ),
  KAFKA_LAG_INTERVAL_MS: integer(
    { min: 100, max: 3_600_000 },
    10_000,
    'Time between looks how far the logs are, for the lag in /metrics, in ms.',
  ),
  KAFKA_FETCH_MAX_BYTES: integer(
    { min: 10_000, max: 100_000_000 },
    5_000_000,
    'Most bytes of one fetch: bounds the memory of what waits to be processed.',
  ),
};

export type KafkaConfig = z.infer<z.ZodObject<typeof kafkaConfigShape>>;
export type ConsumerConfig = z.infer<z.ZodObject<typeof consumerConfigShape>>;
