import { checkKafkaConfig, consumerConfigShape, kafkaConfigShape } from '@bulk/kafka';
import { checkMongoConfig, mongoConfigShape } from '@bulk/mongo';
import { checkRedisConfig, redisConfigShape } from '@bulk/redis';
import { configuredLifetimes, faultOf, integer, optionalInteger, runtimeConfigShape } from '@bulk/runtime';
import { tracingConfigShape } from '@bulk/telemetry';
import { z } from 'zod';
import { laneWeights } from './lanes/lane-weights.ts';

const TIERS = 'expected three whole numbers, ascending, separated by commas';

const variables = z.object({
  ...runtimeConfigShape,
  ...tracingConfigShape,
  ...kafkaConfigShape,
  ...consumerConfigShape,
  ...mongoConfigShape,
  ...redisConfigShape,
  ADMIN_PORT: integer(
    { min: 0, max: 65_535 },
    3_102,
    'Port of /livez, /readyz and /metrics; 0: any free one.',
  ),
  PARTITION_CONCURRENCY: integer(
    { min: 1, max: 1_000 },
    4,
    'Batches processed at the same time by one process, of all lanes; each of another partition.',
  ),
  LANE_WEIGHTS: laneWeights(
    [16, 4, 1],
    'Shares of the lanes high, normal and low while all of them have batches waiting, e.g. 16 to 4 to 1.',
  ),
  COMMIT_INTERVAL_MS: integer(
    { min: 10, max: 60_000 },
    500,
    'Longest time between commits of a partition, in ms.',
  ),
  ENTITY_CONCURRENCY: integer(
    { min: 1, max: 1_000 },
    8,
    'Entities of a batch processed at the same time where the action type has no processBatch.',
  ),
  MAX_ATTEMPTS: integer(
    { min: 1, max: 100 },
    3,
    'Tries of an entity that asks for another one, and of a batch that fails for a reason that is not known to pass.',
  ),
  RETRY_INITIAL_DELAY_MS: integer({ min: 1, max: 60_000 }, 100, 'Longest wait before the second try, in ms.'),
  RETRY_MAX_DELAY_MS: integer({ min: 1, max: 600_000 }, 5_000, 'Longest wait before any later try, in ms.'),
  RETRY_ATTEMPTS_LIMIT: integer(
    { min: 1, max: 100 },
    20,
    'Most tries of an entity that the retry policy of an action or an action type may ask for.',
  ),
  RETRY_DELAY_LIMIT_MS: integer(
    { min: 1, max: 3_600_000 },
    60_000,
    'Longest wait between tries that the retry policy of an action or an action type may ask for, in ms.',
  ),
  RETRY_IN_PLACE_MS: integer(
    { min: 0, max: 600_000 },
    15_000,
    'Longest time that a batch which waits for another try holds its partition; then it goes to a retry topic. In ms.',
  ),
  RETRY_TIERS_MS: z
    .string()
    .regex(/^\d{1,9}(,\d{1,9}){2}$/, TIERS)
    .transform((text) => text.split(',').map(Number))
    .refine((tiers) => tiers.every((ms, i) => ms >= (tiers[i - 1] ?? 1)), TIERS)
    .default([30_000, 300_000, 3_600_000])
    .meta({
      description: 'How long a batch waits in each of the three retry topics, in ms, the shortest first.',
    }),
  RETRY_MAX_AGE_MS: optionalInteger(
    { min: 0, max: 604_800_000 },
    'Longest time that a batch waits in retry topics, in ms; after it the batch is a dead letter. Default: a seventh of KAFKA_RETENTION_HOURS.',
  ),
  FIRST_POSITIONS_TTL_HOURS: optionalInteger(
    { min: 1, max: 876_000 },
    'Lifetime of first positions in Redis after the last batch of an action that does not end, in hours. Higher values recognise duplicates of an action that is paused for longer. Default: 1.65 times KAFKA_RETENTION_HOURS and 2 hours.',
  ),
});

/** The schema of everything that handler reads from its environment. */
export const handlerConfigSchema = variables
  .superRefine(checkKafkaConfig)
  .superRefine(checkMongoConfig)
  .superRefine(checkRedisConfig)
  .superRefine(checkTimes);

export type HandlerConfig = z.infer<typeof handlerConfigSchema>;

const HOUR_MS = 3_600_000;

/** How long handler lets batches wait and remembers actions, in ms. */
export interface HandlerTimes {
  readonly retryMaxAgeMs: number;
  readonly firstPositionsMs: number;
}

/** Returns what the configuration sets, else what follows from Kafka's retention. */
export function handlerTimes(config: HandlerConfig): HandlerTimes {
  const { retryMaxAgeMs, recognisedMs } = configuredLifetimes(config);
  const { RETRY_MAX_AGE_MS, FIRST_POSITIONS_TTL_HOURS } = config;
  return {
    retryMaxAgeMs: RETRY_MAX_AGE_MS ?? retryMaxAgeMs,
    firstPositionsMs:
      FIRST_POSITIONS_TTL_HOURS === undefined ? recognisedMs : FIRST_POSITIONS_TTL_HOURS * HOUR_MS,
  };
}

/** Rejects times that contradict Kafka's retention. */
function checkTimes(config: HandlerConfig, context: z.RefinementCtx): void {
  const fault = faultOf(context);
  const { retryAgeLimitMs, recognisedMs } = configuredLifetimes(config);
  const { retryMaxAgeMs, firstPositionsMs } = handlerTimes(config);
  const given = `KAFKA_RETENTION_HOURS=${config.KAFKA_RETENTION_HOURS}`;
  const lastWaitMs = config.RETRY_TIERS_MS.at(-1) ?? 0;
  if (retryMaxAgeMs + lastWaitMs > retryAgeLimitMs) {
    const limit = `at most half of ${given}, which is ${retryAgeLimitMs} ms`;
    if (config.RETRY_MAX_AGE_MS === undefined) {
      const most = Math.max(0, retryAgeLimitMs - retryMaxAgeMs);
      fault('RETRY_TIERS_MS', `expected a last wait of at most ${most} ms with ${given}`);
    } else {
      fault('RETRY_MAX_AGE_MS', `expected, with the last wait of RETRY_TIERS_MS added, ${limit}`);
    }
  }
  if (firstPositionsMs < recognisedMs) {
    const least = Math.ceil(recognisedMs / HOUR_MS);
    fault('FIRST_POSITIONS_TTL_HOURS', `expected at least ${least} with ${given}`);
  }
}
