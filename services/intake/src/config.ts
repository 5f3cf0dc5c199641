import { authConfigShape, checkAuthConfig } from '@bulk/auth';
import { checkKafkaConfig, kafkaConfigShape } from '@bulk/kafka';
import { checkMongoConfig, mongoConfigShape } from '@bulk/mongo';
import { checkRedisConfig, redisConfigShape } from '@bulk/redis';
import { integer, optionalInteger, publicServerConfigShape, runtimeConfigShape } from '@bulk/runtime';
import { webhookConfigShape } from '@bulk/webhooks';
import { tracingConfigShape } from '@bulk/runtime/telemetry';
import cron from 'node-cron';
import { z } from 'zod';
import { MAX_WINDOW_BATCHES } from './dispatch/in-doubt.ts';
import { rateLimitConfigShape } from './http/rate-limit-config.ts';
import { checkQuotaConfig, quotaConfigShape } from './quotas/quota-config.ts';

const MINUTE_MS = 60_000;
const MEBIBYTE = 1_048_576;

const variables = z.object({
  ...runtimeConfigShape,
  ...publicServerConfigShape,
  ...tracingConfigShape,
  ...kafkaConfigShape,
  ...mongoConfigShape,
  ...webhookConfigShape,
  ...redisConfigShape,
  ...authConfigShape,
  ...rateLimitConfigShape,
  ...quotaConfigShape,
  PORT: integer({ min: 0, max: 65_535 }, 3_000, 'Port of the REST API; 0: any free one.'),
  ADMIN_PORT: integer(
    { min: 0, max: 65_535 },
    3_100,
    'Port of /livez, /readyz, /healthz and /metrics; 0: any free one.',
  ),
  BODY_LIMIT_BYTES: integer(
    { min: 1_024, max: 1_073_741_824 },
    8 * MEBIBYTE,
    'Maximum size of a JSON body, in bytes after decompression. Send larger requests as an upload (CSV or NDJSON).',
  ),
  BODIES_IN_FLIGHT_BYTES: integer(
    { min: 1_024, max: 1_099_511_627_776 },
    64 * MEBIBYTE,
    'Maximum number of bytes of JSON bodies that one process holds at once. Values below BODY_LIMIT_BYTES refuse bodies that are within that limit. A request that finds no room is answered with 503.',
  ),
  BODIES_IN_FLIGHT_ACCOUNT_BYTES: integer(
    { min: 1_024, max: 1_099_511_627_776 },
    32 * MEBIBYTE,
    'Maximum number of bytes of JSON bodies of one account that one process holds at once, if the account is known before the body is read. A request that finds no room is answered with 429.',
  ),
  MAX_COMPRESSION_RATIO: integer(
    { min: 1, max: 1_032 },
    100,
    'Maximum number of decompressed bytes for each compressed byte of a body. It does not count for the first MiB of a JSON body and the first 16 MiB of an upload.',
  ),
  UPLOADS_IN_FLIGHT: integer(
    { min: 1, max: 10_000 },
    16,
    'Maximum number of uploads that one process reads at once. Further uploads are answered with 503. Each upload needs up to about four times UPLOAD_BUFFER_BYTES of memory.',
  ),
  UPLOADS_IN_FLIGHT_ACCOUNT: integer(
    { min: 1, max: 10_000 },
    8,
    'Maximum number of uploads of one account that one process reads at once. Further uploads are answered with 429.',
  ),
  UPLOAD_BUFFER_BYTES: integer(
    { min: 65_536, max: 256 * MEBIBYTE },
    4 * MEBIBYTE,
    'Maximum number of bytes of entities that a request holds before it stages them, also in batches that are not full. Higher values take more memory and make batches of large entities fuller.',
  ),
  UPLOAD_LIMIT_BYTES: integer(
    { min: 1_024, max: 1_099_511_627_776 },
    4_096 * MEBIBYTE,
    'Maximum size of a CSV or NDJSON body, in bytes after decompression. Such a body is streamed, so a higher value takes no more memory.',
  ),
  IDEMPOTENCY_STALE_MS: integer(
    { min: 1_000, max: 60 * MINUTE_MS },
    30_000,
    'An upload without progress for this long, in ms, loses its Idempotency-Key to the next request that sends the same key.',
  ),
  MAX_ENTITIES: integer(
    { min: 1, max: 100_000_000 },
    10_000_000,
    'Maximum number of entities of one action.',
  ),
  MAX_ENTITY_BYTES: integer(
    { min: 64, max: 1_048_576 },
    65_536,
    'Maximum size of the JSON of one entity, in bytes.',
  ),
  MAX_SCHEDULE_DAYS: integer(
    { min: 0, max: 36_525 },
    366,
    'Maximum number of days between a request and the start of its action (scheduledFor). Requests for a later start are refused.',
  ),
  BATCH_SIZE: integer(
    { min: 1, max: 1_000 },
    100,
    'Maximum number of entities per batch. Higher values raise throughput and the time of a single batch.',
  ),
  STAGING_GROUP_BATCHES: integer(
    { min: 1, max: 1_000 },
    20,
    'Maximum number of batches that one write stages. Higher values mean fewer and larger writes to MongoDB.',
  ),
  STAGING_TIMEOUT_MS: integer(
    { min: 1_000, max: 1_440 * MINUTE_MS },
    15 * MINUTE_MS,
    'An upload without progress for this long, in ms, counts as broken off and is removed.',
  ),
  STAGED_RETENTION_MS: integer(
    { min: 0, max: 525_600 * MINUTE_MS },
    1_440 * MINUTE_MS,
    "How long an action's batches are kept after its end, in ms. A retry of its failed entities is possible until then. Higher values take more disk space.",
  ),
  DISPATCH_CRON: z
    .string()
    .refine((text) => cron.validate(text), 'expected a cron expression, with or without seconds')
    .default('*/5 * * * * *')
    .meta({
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
    'The same minimum while newcomers are likely: for ten seconds after an action started during another one. Higher values raise throughput and make small actions wait longer. Default: two for each three partitions of a lane (KAFKA_LANE_PARTITIONS), 8 with 12 partitions. Values above DISPATCH_IN_FLIGHT_LANE_MIN_BATCHES count as that one.',
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
  GAP_SWEEP_CRON: z
    .string()
    .refine((text) => cron.validate(text), 'expected a cron expression, with or without seconds')
    .default('*/30 * * * * *')
    .meta({ description: 'When to look for batches that were published and are not in Kafka.' }),
  GAP_SWEEP_AFTER_MS: integer(
    { min: 1_000, max: 1_440 * MINUTE_MS },
    5 * MINUTE_MS,
    'Time without a counted outcome of an action, in ms, after which intake searches for missing batches of the action. Higher values lower the load on Kafka and MongoDB and find missing batches later.',
  ),
  REQUEST_TIMEOUT_MS: integer(
    { min: 1_000, max: 60 * MINUTE_MS },
    5 * MINUTE_MS,
    'Maximum time in which nothing of a request body arrives, in ms. A body that keeps arriving may take any time.',
  ),
  HEADERS_TIMEOUT_MS: integer(
    { min: 100, max: 10 * MINUTE_MS },
    15_000,
    "Maximum time to receive a request's headers, in ms.",
  ),
  MAX_HEADER_BYTES: integer(
    { min: 1_024, max: MEBIBYTE },
    16_384,
    "Maximum size of a request's headers, in bytes.",
  ),
  MAX_CONNECTIONS: integer(
    { min: 1, max: 1_000_000 },
    10_000,
    'Maximum number of client connections of one process. More are closed without an answer.',
  ),
  KEEP_ALIVE_TIMEOUT_MS: integer(
    { min: 0, max: 60 * MINUTE_MS },
    65_000,
    'How long an idle connection stays open, in ms. It should exceed the idle time-out of a load balancer in front.',
  ),
});

/** The schema of everything that intake reads from its environment. */
export const intakeConfigSchema = variables
  .superRefine(checkAuthConfig)
  .superRefine(checkKafkaConfig)
  .superRefine(checkMongoConfig)
  .superRefine(checkRedisConfig)
  .superRefine(checkQuotaConfig);

export type IntakeConfig = z.infer<typeof intakeConfigSchema>;
