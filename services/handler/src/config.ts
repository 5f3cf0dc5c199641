import { checkKafkaConfig, consumerConfigShape, kafkaConfigShape } from '@bulk/kafka';
import { checkMongoConfig, mongoConfigShape } from '@bulk/mongo';
import { checkRedisConfig, redisConfigShape } from '@bulk/redis';
import {
  checkRuntimeConfig,
  configuredLifetimes,
  faultOf,
  integer,
  optionalInteger,
  runtimeConfigShape,
} from '@bulk/runtime';
import { tracingConfigShape } from '@bulk/runtime/telemetry';
import { z } from 'zod';
import { laneWeights } from './lanes/lane-weights.ts';
import { retryConfigShape } from './retry/retry-config.ts';

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
    'Port of /livez, /readyz, /healthz and /metrics; 0: any free one.',
  ),
  PARTITION_CONCURRENCY: integer(
    { min: 1, max: 1_000 },
    12,
    'Maximum number of groups of batches that one process handles at the same time, over all lanes. Each group is of another partition. Higher values raise throughput and the load on MongoDB.',
  ),
  GROUP_BATCHES: integer(
    { min: 1, max: 1_000 },
    16,
    'Maximum number of consecutive batches of a partition that are applied at the same time as a group. No entity occurs twice in a group. Higher values mean fewer requests per batch under load, more memory, and a longer wait for batches of other lanes.',
  ),
  LANE_WEIGHTS: laneWeights(
    [16, 4, 1],
    'Shares of the lanes high, normal and low while all of them have waiting batches, e.g. 16,4,1. A higher number gives the lane a larger share of the work.',
  ),
  COMMIT_INTERVAL_MS: integer(
    { min: 10, max: 60_000 },
    500,
    'Maximum time between offset commits of a partition, in ms. Higher values mean fewer commits and more redeliveries after a crash.',
  ),
  ENTITY_CONCURRENCY: integer(
    { min: 1, max: 1_000 },
    8,
    'Maximum number of entities of a group of batches that are processed at the same time if the action type has no processBatch. Higher values finish such groups sooner.',
  ),
  CHANGES_MAX_BYTES: integer(
    { min: 256, max: 65_536 },
    16_384,
    'Maximum size of what one outcome keeps of a change, in bytes of its JSON. A larger change is replaced by changesTruncated, and an undo cannot put its record back. Higher values keep more and make entities, results and logs larger.',
  ),
  ...retryConfigShape,
  FIRST_POSITIONS_TTL_HOURS: optionalInteger(
    { min: 1, max: 876_000 },
    'Lifetime of first positions in Redis after the last batch of an action that does not end, in hours. Higher values recognise duplicates of an action that is paused for longer. Default: 1.65 times KAFKA_RETENTION_HOURS and 2 hours.',
  ),
});

/** The schema of everything that handler reads from its environment. */
export const handlerConfigSchema = variables
  .superRefine(checkRuntimeConfig)
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
