import { DEFAULT_TOPIC_PREFIX } from '@bulk/contracts';
import { flag, integer, list, optionalInteger, retentionConfigShape } from '@bulk/runtime';
import { z } from 'zod';
import { checkKafkaConfig, kafkaSecurityShape } from './security.ts';

export const DEFAULT_DELIVERY_TIMEOUT_MS = 60_000;

/** Settings of every service that uses Kafka. */
export const kafkaConfigShape = {
  KAFKA_BROKERS: list(
    ['127.0.0.1:9092'],
    'Addresses of the brokers to connect to first: host:port, separated by commas.',
  ),
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
    "Number of partitions of each lane's topic. It is fixed at creation, because a hash routes each entity to one of them.",
  ),
  KAFKA_RESULTS_PARTITIONS: integer(
    { min: 1, max: 1000 },
    6,
    'Number of partitions of the results topic and of the progress topic.',
  ),
  ENSURE_TOPICS: flag(
    true,
    'Whether a service creates the topics that it uses and that do not exist. With false it waits until the installer has created them, and its Kafka user needs no right to create topics.',
  ),
  REGISTER_SCHEMAS: flag(
    true,
    'Whether a service registers the schemas of the topics that it uses. With false it waits until the installer has registered them, and its user needs no right to write to the Schema Registry.',
  ),
  SCHEMA_COMPATIBILITY: z
    .enum(['FULL', 'FULL_TRANSITIVE'], 'expected FULL or FULL_TRANSITIVE')
    .default('FULL_TRANSITIVE')
    .meta({
      description:
        'Compatibility that new subjects get, and to which the installer raises existing ones. Set FULL while services that accept only FULL are still running.',
    }),
  ...retentionConfigShape,
  ...kafkaSecurityShape,
  KAFKA_REQUEST_TIMEOUT_MS: integer(
    { min: 1_000, max: 600_000 },
    20_000,
    'Maximum wait for the answer to one request to Kafka, in ms; then the request fails and is retried. A higher value tolerates slower brokers and notices a broken connection later.',
  ),
  KAFKA_DELIVERY_TIMEOUT_MS: integer(
    { min: 1_000, max: 3_600_000 },
    DEFAULT_DELIVERY_TIMEOUT_MS,
    'Maximum time from a send to its confirmation, with retries and the wait for earlier messages of its partition, in ms. A higher value rides out longer faults.',
  ),
};

/** The Kafka settings alone, checked together; for tools. */
export const kafkaConfigSchema = z.object(kafkaConfigShape).superRefine(checkKafkaConfig);

/** Settings of every service that consumes messages. */
export const consumerConfigShape = {
  KAFKA_SESSION_TIMEOUT_MS: integer(
    { min: 1_000, max: 1_800_000 },
    30_000,
    'Time without a heartbeat after which a consumer loses its partitions, in ms. A higher value tolerates longer stalls and delays the takeover from a crashed process.',
  ),
  KAFKA_HEARTBEAT_INTERVAL_MS: integer(
    { min: 100, max: 600_000 },
    3_000,
    'Time between two heartbeats of a consumer, in ms.',
  ),
  KAFKA_MAX_PROCESSING_MS: integer(
    { min: 1_000, max: 86_400_000 },
    300_000,
    'Maximum time that one chunk of messages may take to process, in ms. After it the consumer leaves its group, so it loses the partition. A higher value tolerates slower work and detects a hanging consumer later.',
  ),
  KAFKA_HANDOVER_MS: integer(
    { min: 0, max: 600_000 },
    5_000,
    'Maximum time that chunks under way get to finish before a consumer gives up its partitions in a rebalance, in ms; at most half of the session timeout counts. A higher value means less repeated work and longer rebalances.',
  ),
  KAFKA_LAG_INTERVAL_MS: integer(
    { min: 100, max: 3_600_000 },
    10_000,
    'Time between two requests for the ends of the logs, in ms. /metrics derives the consumer lag from them.',
  ),
  KAFKA_FETCH_MAX_BYTES: integer(
    { min: 10_000, max: 100_000_000 },
    5_000_000,
    'Maximum size of one fetch from a broker, in bytes. A higher value needs more memory and fewer requests.',
  ),
  KAFKA_FETCH_MAX_WAIT_MS: integer(
    { min: 10, max: 30_000 },
    1_000,
    'Time that a broker holds a fetch for which it has no messages, in ms. A higher value means fewer requests while idle and slower rebalances. Messages are delivered at once in any case.',
  ),
  KAFKA_FETCH_LINGER_MS: integer(
    { min: 0, max: 1_000 },
    5,
    'Shortest time between a fetch that brought messages and the next one, in ms. A higher value means fewer requests under load and a later delivery of messages that follow each other. Messages after a pause are delivered at once in any case.',
  ),
  KAFKA_QUEUE_MAX_BYTES: optionalInteger(
    { min: 20_000, max: 1_000_000_000 },
    'Maximum size of the fetched messages that one consumer keeps in memory, in bytes, divided evenly among its partitions. A partition that has used its share is not fetched. A higher value needs more memory and keeps slow partitions busier. Default: twice KAFKA_FETCH_MAX_BYTES.',
  ),
};

export type KafkaConfig = z.infer<z.ZodObject<typeof kafkaConfigShape>>;
export type ConsumerConfig = z.infer<z.ZodObject<typeof consumerConfigShape>>;
