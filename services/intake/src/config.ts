import { authConfigShape, checkAuthConfig } from '@bulk/auth';
import { checkKafkaConfig, kafkaConfigShape } from '@bulk/kafka';
import { checkMongoConfig, mongoConfigShape } from '@bulk/mongo';
import { checkRedisConfig, redisConfigShape } from '@bulk/redis';
import { checkRuntimeConfig, integer, publicServerConfigShape, runtimeConfigShape } from '@bulk/runtime';
import { checkWebhookConfig, webhookConfigShape } from '@bulk/webhooks';
import { tracingConfigShape } from '@bulk/runtime/telemetry';
import { z } from 'zod';
import { dispatchConfigShape } from './dispatch/dispatch-config.ts';
import { rateLimitConfigShape } from './http/rate-limit-config.ts';
import { mappingConfigShape } from './mappings/mapping-config.ts';
import { recordsConfigShape } from './records/records-config.ts';
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
  ...mappingConfigShape,
  ...recordsConfigShape,
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
    'Maximum number of uploads, retries and undos that one process stages at once. Further ones are answered with 503. Each upload needs up to about four times UPLOAD_BUFFER_BYTES of memory.',
  ),
  UPLOADS_IN_FLIGHT_ACCOUNT: integer(
    { min: 1, max: 10_000 },
    8,
    'Maximum number of uploads, retries and undos of one account that one process stages at once. Further ones are answered with 429.',
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
    'Maximum size of the JSON of one entity, in bytes. An id that the platform adds does not count.',
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
  MATCH_GROUP_ROWS: integer(
    { min: 1, max: 10_000 },
    500,
    'Maximum number of rows that one query matches (matchBy). Higher values mean fewer and longer queries and take more memory.',
  ),
  MATCH_GROUP_WAIT_MS: integer(
    { min: 0, max: MINUTE_MS },
    250,
    'Maximum time that an arrived row waits for further rows before it is matched, in ms. Higher values mean fewer queries for slow uploads.',
  ),
  STAGING_TIMEOUT_MS: integer(
    { min: 1_000, max: 1_440 * MINUTE_MS },
    15 * MINUTE_MS,
    'An upload without progress for this long, in ms, counts as broken off and is removed.',
  ),
  STAGED_RETENTION_MS: integer(
    { min: 0, max: 525_600 * MINUTE_MS },
    10_080 * MINUTE_MS,
    "How long an action's batches are kept after its end, in ms. Until then, its failed entities can be retried and its results downloaded with the caller's columns. Higher values take more disk space.",
  ),
  ...dispatchConfigShape,
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
  .superRefine(checkRuntimeConfig)
  .superRefine(checkAuthConfig)
  .superRefine(checkKafkaConfig)
  .superRefine(checkMongoConfig)
  .superRefine(checkWebhookConfig)
  .superRefine(checkRedisConfig)
  .superRefine(checkQuotaConfig);

export type IntakeConfig = z.infer<typeof intakeConfigSchema>;
