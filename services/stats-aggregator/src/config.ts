import { checkKafkaConfig, consumerConfigShape, kafkaConfigShape } from '@bulk/kafka';
import { checkMongoConfig, mongoConfigShape } from '@bulk/mongo';
import { integer, runtimeConfigShape } from '@bulk/runtime';
import { tracingConfigShape } from '@bulk/telemetry';
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
    'Port of /livez, /readyz and /metrics; 0: any free one.',
  ),
  CHUNK_SIZE: integer(
    { min: 1, max: 1_000 },
    50,
    'Results of one partition that are written and counted together.',
  ),
  PARTITION_CONCURRENCY: integer(
    { min: 1, max: 1_000 },
    3,
    'Partitions processed at the same time by one process; each in order.',
  ),
  COMMIT_INTERVAL_MS: integer(
    { min: 10, max: 60_000 },
    500,
    'Longest time between commits of a partition, in ms.',
  ),
  MAX_ATTEMPTS: integer(
    { min: 1, max: 100 },
    3,
    'Tries of a message whose processing fails for a reason that is not known to pass; then it is a dead letter.',
  ),
  RETRY_INITIAL_DELAY_MS: integer({ min: 1, max: 60_000 }, 100, 'Longest wait before the second try, in ms.'),
  RETRY_MAX_DELAY_MS: integer({ min: 1, max: 600_000 }, 5_000, 'Longest wait before any later try, in ms.'),
});

/** Everything that stats-aggregator reads from its environment. */
export const statsAggregatorConfigSchema = variables
  .superRefine(checkKafkaConfig)
  .superRefine(checkMongoConfig);

export type StatsAggregatorConfig = z.infer<typeof statsAggregatorConfigSchema>;
