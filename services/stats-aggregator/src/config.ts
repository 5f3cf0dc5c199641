import { checkKafkaConfig, consumerConfigShape, kafkaConfigShape } from '@bulk/kafka';
import { checkMongoConfig, mongoConfigShape } from '@bulk/mongo';
import { checkRuntimeConfig, integer, runtimeConfigShape } from '@bulk/runtime';
import { tracingConfigShape } from '@bulk/runtime/telemetry';
import { z } from 'zod';

const variables = z.object({
  ...runtimeConfigShape,
  ...tracingConfigShape,
  ...kafkaConfigShape,
  ...consumerConfigShape,
  ...mongoConfigShape,
  ADMIN_PORT: integer(
    { min: 0, max: 65_535 },
    3_103,
    'Port of /livez, /readyz, /healthz and /metrics; 0: any free one.',
  ),
  CHUNK_SIZE: integer(
    { min: 1, max: 1_000 },
    200,
    'Maximum number of results of one partition that are written and counted together. Higher values raise throughput and the work that is repeated after a crash.',
  ),
  CHUNK_MAX_BYTES: integer(
    { min: 10_000, max: 100_000_000 },
    4_000_000,
    'Maximum size of the results of one partition that are decoded and counted together, in bytes. A single larger result is counted alone. Higher values raise throughput and the memory of a process.',
  ),
  COUNTING_INTERVAL_MS: integer(
    { min: 0, max: 1_000 },
    20,
    'Minimum time between two counts of an action that still has many batches to count, in ms; 0: no minimum. Results that arrive meanwhile are counted together. Higher values save writes and progress events and count later.',
  ),
  KNOWN_ACTIONS: integer(
    { min: 1, max: 1_000_000 },
    1_000,
    'Maximum number of actions whose counts one process keeps in memory, so that it need not read them for each chunk. Higher values save reads when many actions run at the same time.',
  ),
  PARTITION_CONCURRENCY: integer(
    { min: 1, max: 1_000 },
    3,
    'Maximum number of partitions that one process handles at the same time, each in order. Higher values raise throughput and the load on MongoDB.',
  ),
  COMMIT_INTERVAL_MS: integer(
    { min: 10, max: 60_000 },
    500,
    'Maximum time between offset commits of a partition, in ms. Higher values mean fewer commits and more redeliveries after a crash.',
  ),
  MAX_ATTEMPTS: integer(
    { min: 1, max: 100 },
    3,
    'Maximum number of tries of a message that fails for a reason that is not known to be transient. After the last try the message is dead-lettered.',
  ),
  RETRY_INITIAL_DELAY_MS: integer({ min: 1, max: 60_000 }, 100, 'Maximum wait before the second try, in ms.'),
  RETRY_MAX_DELAY_MS: integer({ min: 1, max: 600_000 }, 5_000, 'Maximum wait before any later try, in ms.'),
});

/** The schema of everything that stats-aggregator reads from its environment. */
export const statsAggregatorConfigSchema = variables
  .superRefine(checkRuntimeConfig)
  .superRefine(checkKafkaConfig)
  .superRefine(checkMongoConfig);

export type StatsAggregatorConfig = z.infer<typeof statsAggregatorConfigSchema>;
