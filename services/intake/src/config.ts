import { authConfigShape, checkAuthConfig } from '@bulk/auth';
import { checkKafkaConfig, kafkaConfigShape } from '@bulk/kafka';
import { checkMongoConfig, mongoConfigShape } from '@bulk/mongo';
import { checkRedisConfig, redisConfigShape } from '@bulk/redis';
import { integer, publicServerConfigShape, runtimeConfigShape, webhookConfigShape } from '@bulk/runtime';
import { tracingConfigShape } from '@bulk/telemetry';
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
    'Port of /livez, /readyz and /metrics; 0: any free one.',
  ),
  BODY_LIMIT_BYTES: integer(
    { min: 1_024, max: 1_073_741_824 },
    8 * MEBIBYTE,
    'Largest JSON body, in bytes after decompression. Send larger requests as an upload (CSV or NDJSON).',
  ),
  BODIES_IN_FLIGHT_BYTES: integer(
    { min: 1_024, max: 1_099_511_627_776 },
    64 * MEBIBYTE,
    'Maximum number of bytes of JSON bodies that one process holds at once; at least BODY_LIMIT_BYTES makes sense. A request that finds no room is answered with 503.',
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
    'Maximum number of bytes of entities that a request holds before it stages them, also in batches that are not full. Raising it makes batches of large entities fuller.',
  ),
  UPLOAD_LIMIT_BYTES: integer(
    { min: 1_024, max: 1_099_511_627_776 },
    4_096 * MEBIBYTE,
    'Largest CSV or NDJSON body, in bytes after decompression; it is streamed.',
  ),
  IDEMPOTENCY_STALE_MS: integer(
    { min: 1_000, max: 60 * MINUTE_MS },
    30_000,
    'A request with the Idempotency-Key of an upload that made no progress for this long takes its place, in ms.',
  ),
  MAX_ENTITIES: integer(
    { min: 1, max: 100_000_000 },
    10_000_000,
    'Maximum number of entities of one action.',
  ),
  MAX_ENTITY_BYTES: integer({ min: 64, max: 1_048_576 }, 65_536, 'Largest JSON of one entity, in bytes.'),
  MAX_SCHEDULE_DAYS: integer(
    { min: 0, max: 36_525 },
    366,
    'Maximum number of days between a request and the start of its action (scheduledFor). Requests for a later start are refused.',
  ),
  BATCH_SIZE: integer({ min: 1, max: 1_000 }, 100, 'Entities per batch at most.'),
  STAGING_GROUP_BATCHES: integer({ min: 1, max: 1_000 }, 20, 'Batches that are staged by one write.'),
  STAGING_TIMEOUT_MS: integer(
    { min: 1_000, max: 1_440 * MINUTE_MS },
    15 * MINUTE_MS,
    'An upload without progress for this long is taken for broken off and removed, in ms.',
  ),
  STAGED_RETENTION_MS: integer(
    { min: 0, max: 525_600 * MINUTE_MS },
    1_440 * MINUTE_MS,
    "How long an action's batches are kept after its end, in ms.",
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
    'Batches of an action that are published at once.',
  ),
  DISPATCH_WINDOW_BYTES: integer(
    { min: 65_536, max: 6 * MEBIBYTE },
    4 * MEBIBYTE,
    'Maximum size of the batches that are published at once, in bytes of their entities and configuration. One batch is published whatever its size. They must fit into one Kafka message.',
  ),
  DISPATCH_PARALLEL_WINDOWS: integer(
    { min: 1, max: 1_000 },
    4,
    'Maximum number of actions of a lane whose batches an instance publishes at the same time. Raising it takes more memory, and more sends have to hang before the lane stands still.',
  ),
  DISPATCH_IN_FLIGHT_BATCHES: integer(
    { min: 1, max: 100_000 },
    200,
    'Batches of an action that are published and have no outcome yet, at most: what a pause or a cancelling does not stop.',
  ),
  DISPATCH_POSTPONED_BATCHES: integer(
    { min: 0, max: 100_000 },
    2_000,
    'Maximum number of batches of an action that wait in retry topics without holding up the rest of the action. Each one beyond counts as in flight.',
  ),
  DISPATCH_IN_FLIGHT_ACCOUNT_BATCHES: integer(
    { min: 1, max: 100_000 },
    200,
    'The same of all actions of an account in a lane; smaller where several accounts share the lane.',
  ),
  DISPATCH_IN_FLIGHT_LANE_BATCHES: integer(
    { min: 2, max: 1_000_000 },
    1_000,
    'The same of all actions in a lane. How many it is up to that is found from how long they take.',
  ),
  DISPATCH_IN_FLIGHT_LANE_MIN_BATCHES: integer(
    { min: 2, max: 100_000 },
    12,
    'Where that begins, and how many it is at least: two for each partition of the lane are well chosen.',
  ),
  DISPATCH_IN_FLIGHT_TOLERANCE_PERCENT: integer(
    { min: 110, max: 10_000 },
    150,
    'How long a batch may take because of those in front of it, in percent of its time where none is. More of it: more throughput where batches differ much, and longer waits for small actions.',
  ),
  DISPATCH_IN_FLIGHT_PROBE_MS: integer(
    { min: 1_000, max: 60 * MINUTE_MS },
    10_000,
    'How often that time is measured anew, in ms.',
  ),
  DISPATCH_IN_FLIGHT_STALE_MS: integer(
    { min: 1_000, max: 1_440 * MINUTE_MS },
    60_000,
    'Batches of an action without an outcome for this long do not count against the limits of account and lane while other batches of the lane get outcomes, in ms. At most as many as the limit of the lane are left out.',
  ),
  DISPATCH_POLL_MS: integer(
    { min: 5, max: 10_000 },
    20,
    'How often it is looked whether an action with that many in flight can go on, in ms.',
  ),
  DISPATCH_CONCURRENCY: integer(
    { min: 1, max: 1_000 },
    100,
    'Actions that are dispatched side by side, window by window.',
  ),
  DISPATCH_LEASE_MS: integer(
    { min: 1_000, max: 60 * MINUTE_MS },
    30_000,
    'Another instance goes on with a dispatch that made no progress for this long, in ms.',
  ),
  DISPATCH_RETRY_DELAY_MS: integer(
    { min: 100, max: 10 * MINUTE_MS },
    5_000,
    'A dispatch that failed is tried again after this time at the earliest, in ms.',
  ),
  GAP_SWEEP_CRON: z
    .string()
    .refine((text) => cron.validate(text), 'expected a cron expression, with or without seconds')
    .default('*/30 * * * * *')
    .meta({ description: 'When to look for batches that were published and are not in Kafka.' }),
  GAP_SWEEP_AFTER_MS: integer(
    { min: 1_000, max: 1_440 * MINUTE_MS },
    5 * MINUTE_MS,
    'Batches of an action are searched for when none of its outcomes was counted for this long, in ms.',
  ),
  REQUEST_TIMEOUT_MS: integer(
    { min: 1_000, max: 60 * MINUTE_MS },
    5 * MINUTE_MS,
    'Longest time in which nothing of a request body arrives, in ms. A body that keeps arriving may take any time.',
  ),
  HEADERS_TIMEOUT_MS: integer(
    { min: 100, max: 10 * MINUTE_MS },
    15_000,
    "Longest time to receive a request's headers, in ms.",
  ),
  MAX_HEADER_BYTES: integer({ min: 1_024, max: MEBIBYTE }, 16_384, "Most bytes of a request's headers."),
  MAX_CONNECTIONS: integer(
    { min: 1, max: 1_000_000 },
    10_000,
    'Maximum number of client connections of one process. More are closed without an answer.',
  ),
  KEEP_ALIVE_TIMEOUT_MS: integer(
    { min: 0, max: 60 * MINUTE_MS },
    65_000,
    'How long an idle connection stays open, in ms; longer than that of a load balancer in front.',
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
