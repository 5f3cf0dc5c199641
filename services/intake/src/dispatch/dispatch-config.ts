import { MAX_WINDOW_BATCHES } from '@bulk/mongo';
import { integer, optionalInteger } from '@bulk/runtime';
import cron from 'node-cron';
import { z } from 'zod';
import type { DispatcherOptions } from './dispatcher.ts';
import { minWindowForNewcomersOf, minWindowOf } from './lane-window.ts';

const MINUTE_MS = 60_000;
const MEBIBYTE = 1_048_576;

const cronExpression = z
  .string()
  .refine((text) => cron.validate(text), 'expected a cron expression, with or without seconds');

/** Variables of the dispatch. */
export const dispatchConfigShape = {
  DISPATCH_CRON: cronExpression.default('*/5 * * * * *').meta({
    description: 'When to look for scheduled actions that are due and for interrupted dispatches.',
  }),
  DISPATCH_WINDOW_BATCHES: integer(
    { min: 1, max: MAX_WINDOW_BATCHES },
    50,
    'Maximum number of batches of an action that are published at once. Higher values raise throughput and make the actions of other accounts wait longer for their turn.',
  ),
  DISPATCH_WINDOW_BYTES: integer(
    { min: 65_536, max: 6 * MEBIBYTE },
    4 * MEBIBYTE,
    'Maximum size of the batches that are published at once, in bytes of their entities and configuration. One batch is published whatever its size. They must fit into one Kafka message.',
  ),
  DISPATCH_PARALLEL_WINDOWS: integer(
    { min: 1, max: 1_000 },
    4,
    'Maximum number of actions of a lane whose batches an instance publishes at the same time. Higher values take more memory, and more sends must hang before the lane stands still.',
  ),
  DISPATCH_IN_FLIGHT_BATCHES: integer(
    { min: 1, max: 100_000 },
    200,
    'Maximum number of batches of one action that are published and have no outcome yet. A pause or a cancellation does not stop these batches. Higher values make both take effect later.',
  ),
  DISPATCH_POSTPONED_BATCHES: integer(
    { min: 0, max: 100_000 },
    2_000,
    'Maximum number of batches of an action that wait in retry topics without holding up the rest of the action. Each one beyond counts as in flight.',
  ),
  DISPATCH_IN_FLIGHT_ACCOUNT_BATCHES: integer(
    { min: 1, max: 100_000 },
    200,
    'Maximum number of full batches (of BATCH_SIZE entities) in flight per account and lane. The limit shrinks when several accounts share the lane.',
  ),
  DISPATCH_IN_FLIGHT_LANE_BATCHES: integer(
    { min: 2, max: 1_000_000 },
    1_000,
    'Maximum number of full batches (of BATCH_SIZE entities) in flight per lane. The batches of a small action count as parts of one. The dispatcher finds the current limit, up to this one, from the latency of the batches.',
  ),
  DISPATCH_IN_FLIGHT_LANE_MIN_BATCHES: optionalInteger(
    { min: 2, max: 100_000 },
    'Minimum number of full batches (of BATCH_SIZE entities) that may be in flight per lane, and the limit at the start. Higher values raise throughput and make small actions wait longer. Default: five for each three partitions of a lane (KAFKA_LANE_PARTITIONS), 10 with 6 partitions.',
  ),
  DISPATCH_IN_FLIGHT_LANE_NEWCOMERS_BATCHES: optionalInteger(
    { min: 2, max: 100_000 },
    'Minimum number of full batches that may be in flight per lane while newcomers are likely: for ten seconds after an action started during another one. Higher values raise throughput and make small actions wait longer. Default: two for each three partitions of a lane (KAFKA_LANE_PARTITIONS), 8 with 12 partitions. Values above DISPATCH_IN_FLIGHT_LANE_MIN_BATCHES count as that one.',
  ),
  DISPATCH_IN_FLIGHT_TOLERANCE_PERCENT: integer(
    { min: 110, max: 10_000 },
    150,
    'Target latency of a batch under load, as a percentage of its latency on an idle lane. Higher values raise throughput and make small actions wait longer.',
  ),
  DISPATCH_IN_FLIGHT_PROBE_MS: integer(
    { min: 1_000, max: 60 * MINUTE_MS },
    10_000,
    'Time between measurements of the latency of a batch on an idle lane, in ms. Higher values interrupt the flow of batches less often and notice a change of the latency later.',
  ),
  DISPATCH_IN_FLIGHT_STALE_MS: integer(
    { min: 1_000, max: 1_440 * MINUTE_MS },
    60_000,
    'Time without an outcome, in ms, after which the batches of an action do not count against the limits of account and lane while other batches of the lane get outcomes. At most as many batches as the limit of the lane are left out.',
  ),
  DISPATCH_POLL_MS: integer(
    { min: 5, max: 10_000 },
    20,
    'Minimum time between checks whether actions that have reached a limit can continue, in ms. The dispatcher checks four times in the time that a batch takes, at least every 250 ms. Higher values lower the load on MongoDB and delay the next batches.',
  ),
  DISPATCH_CONCURRENCY: integer(
    { min: 1, max: 1_000 },
    100,
    'Maximum number of actions that one instance dispatches at the same time, window by window. Higher values take more memory.',
  ),
  DISPATCH_LEASE_MS: integer(
    { min: 1_000, max: 60 * MINUTE_MS },
    30_000,
    'Time without progress, in ms, after which another instance continues a dispatch. Higher values delay the take-over after a crash.',
  ),
  DISPATCH_RETRY_DELAY_MS: integer(
    { min: 100, max: 10 * MINUTE_MS },
    5_000,
    'Minimum wait before a failed dispatch is tried again, in ms.',
  ),
  GAP_SWEEP_CRON: cronExpression
    .default('*/30 * * * * *')
    .meta({ description: 'When to look for batches that were published and are not in Kafka.' }),
  GAP_SWEEP_AFTER_MS: integer(
    { min: 1_000, max: 1_440 * MINUTE_MS },
    5 * MINUTE_MS,
    'Time without a counted outcome of an action, in ms, after which intake searches for missing batches of the action. Higher values lower the load on Kafka and MongoDB and find missing batches later.',
  ),
};

/** Variables of intake that the dispatch reads. */
export type DispatchConfig = z.infer<z.ZodObject<typeof dispatchConfigShape>> & {
  readonly BATCH_SIZE: number;
  readonly KAFKA_LANE_PARTITIONS: number;
};

/** Returns the limits and times that a configuration sets. */
export function dispatchSettingsOf(config: DispatchConfig) {
  return {
    window: { batches: config.DISPATCH_WINDOW_BATCHES, bytes: config.DISPATCH_WINDOW_BYTES },
    batchSize: config.BATCH_SIZE,
    maxInFlight: config.DISPATCH_IN_FLIGHT_BATCHES,
    maxPostponed: config.DISPATCH_POSTPONED_BATCHES,
    parallelWindows: config.DISPATCH_PARALLEL_WINDOWS,
    maxInFlightOfAccount: config.DISPATCH_IN_FLIGHT_ACCOUNT_BATCHES,
    laneWindow: {
      min: config.DISPATCH_IN_FLIGHT_LANE_MIN_BATCHES ?? minWindowOf(config.KAFKA_LANE_PARTITIONS),
      minForNewcomers:
        config.DISPATCH_IN_FLIGHT_LANE_NEWCOMERS_BATCHES ??
        minWindowForNewcomersOf(config.KAFKA_LANE_PARTITIONS),
      max: config.DISPATCH_IN_FLIGHT_LANE_BATCHES,
      tolerance: config.DISPATCH_IN_FLIGHT_TOLERANCE_PERCENT / 100,
      probeEveryMs: config.DISPATCH_IN_FLIGHT_PROBE_MS,
    },
    staleMs: config.DISPATCH_IN_FLIGHT_STALE_MS,
    pollMs: config.DISPATCH_POLL_MS,
    leaseMs: config.DISPATCH_LEASE_MS,
    concurrency: config.DISPATCH_CONCURRENCY,
    retryDelayMs: config.DISPATCH_RETRY_DELAY_MS,
  } satisfies Partial<DispatcherOptions>;
}
