import { authConfigShape, checkAuthConfig } from '@bulk/auth';
import { checkKafkaConfig, consumerConfigShape, kafkaConfigShape } from '@bulk/kafka';
import { checkMongoConfig, mongoConfigShape } from '@bulk/mongo';
import { checkRedisConfig, redisConfigShape } from '@bulk/redis';
import {
  checkRuntimeConfig,
  integer,
  list,
  publicServerConfigShape,
  runtimeConfigShape,
} from '@bulk/runtime';
import { tracingConfigShape } from '@bulk/runtime/telemetry';
import { checkWebhookConfig } from '@bulk/webhooks';
import { z } from 'zod';
import { frameLimitConfigShape } from './limits/config.ts';
import { ANY_ORIGIN } from './server/origin-policy.ts';
import { deliveryConfigShape } from './webhooks/config.ts';

const MIN_HZ = 0.2;
const MAX_HZ = 50;
const EXPECTED_HZ = `expected a number from ${MIN_HZ} to ${MAX_HZ}`;

const EXPECTED_ORIGINS =
  'expected origins such as https://app.example.com or http://localhost:8080, separated by commas, or *';

/** Origins as browsers write them. */
const origins = list([], '').refine(
  (parts) => parts.every((part) => part === ANY_ORIGIN || isOrigin(part)),
  EXPECTED_ORIGINS,
);

function isOrigin(text: string): boolean {
  return /^https?:[^*]+$/.test(text) && URL.canParse(text) && new URL(text).origin === text;
}

const variables = z.object({
  ...runtimeConfigShape,
  ...publicServerConfigShape,
  ...tracingConfigShape,
  ...kafkaConfigShape,
  ...consumerConfigShape,
  ...mongoConfigShape,
  ...redisConfigShape,
  ...authConfigShape,
  ...deliveryConfigShape,
  ...frameLimitConfigShape,
  PORT: integer({ min: 0, max: 65_535 }, 3_001, 'Port of the WebSockets; 0: any free one.'),
  ADMIN_PORT: integer(
    { min: 0, max: 65_535 },
    3_104,
    'Port of /livez, /readyz, /healthz and /metrics; 0: any free one.',
  ),
  INTAKE_PUBLIC_URL: z
    .url({ protocol: /^https?$/, error: 'expected an http:// or https:// URL' })
    .optional()
    .meta({
      description: 'URL at which browsers reach intake. Web pages of its origin may open WebSockets.',
    }),
  WS_ALLOWED_ORIGINS: origins.meta({
    description:
      'Origins whose web pages may open WebSockets, such as https://app.example.com, separated by commas; *: every origin. Pages of the host name of the WebSocket may always connect, and so may clients that send no Origin.',
  }),
  PROGRESS_HZ: z
    .string()
    .regex(/^\d{1,3}(\.\d{1,3})?$/, EXPECTED_HZ)
    .transform(Number)
    .refine((hz) => hz >= MIN_HZ && hz <= MAX_HZ, EXPECTED_HZ)
    .default(5)
    .meta({
      description:
        'Maximum number of updates per second for one action on one connection. The newest state wins. Higher values make progress smoother and raise the traffic.',
    }),
  MAX_BUFFERED_BYTES: integer(
    // Above the high-water mark of a socket, so that `drain` follows whenever this is exceeded.
    { min: 65_536, max: 67_108_864 },
    1_048_576,
    'Maximum number of unsent bytes of one connection. Beyond it the connection receives only the newest states, once it has caught up. Higher values raise the memory that slow clients take.',
  ),
  MAX_TOTAL_BUFFERED_BYTES: integer(
    { min: 65_536, max: 1_099_511_627_776 },
    134_217_728,
    'Maximum number of unsent bytes of all connections of one process. Beyond it a connection is sent the next frame only when nothing of it is unsent.',
  ),
  SNAPSHOT_INTERVAL_MS: integer(
    { min: 10, max: 600_000 },
    3_000,
    'Minimum time between two snapshots of the same action, or of the account, on one connection, in ms. A client that asks too early gets one snapshot when the time has passed.',
  ),
  HEARTBEAT_MS: integer(
    { min: 100, max: 600_000 },
    30_000,
    'Time between pings, in ms. A client that does not answer before the next ping is dropped.',
  ),
  MAX_MESSAGE_BYTES: integer(
    { min: 128, max: 1_048_576 },
    4_096,
    'Maximum size of a client frame, in bytes. A larger frame closes its connection (1009).',
  ),
  MAX_SUBSCRIPTIONS: integer(
    { min: 1, max: 10_000 },
    100,
    'Maximum number of subscriptions of one connection.',
  ),
  MAX_ACCOUNT_SUBSCRIPTIONS: integer(
    { min: 1, max: 100_000_000 },
    100_000,
    'Maximum number of subscriptions of one account to one process. An account subscription counts once for each action that it shows.',
  ),
  MAX_TOTAL_SUBSCRIPTIONS: integer(
    { min: 1, max: 100_000_000 },
    500_000,
    'Maximum number of subscriptions to one process, counted like those of an account. Each takes about half a KiB.',
  ),
  MAX_ACCOUNT_ACTIONS: integer(
    { min: 1, max: 100_000 },
    10_000,
    'Maximum number of actions that the account subscription of one connection tracks. Beyond it the subscription is ended (TOO_MANY_ACTIONS).',
  ),
  MAX_CONNECTIONS: integer(
    { min: 1, max: 1_000_000 },
    10_000,
    'Maximum number of connections of one process. More are refused with 503.',
  ),
  MAX_ACCOUNT_CONNECTIONS: integer(
    { min: 1, max: 1_000_000 },
    1_000,
    'Maximum number of connections of one account to one process. More are refused with 429.',
  ),
  MAX_UNNAMED_CONNECTIONS: integer(
    { min: 1, max: 1_000_000 },
    1_000,
    'Maximum number of connections of one process that name no account (AUTH_MODE=header). Each may follow actions whose ids it knows. More are refused with 429.',
  ),
  SUBSCRIBE_TIMEOUT_MS: integer(
    { min: 100, max: 600_000 },
    10_000,
    'A connection without an account is closed (4408) when it has followed nothing for this time, in ms.',
  ),
  HEADERS_TIMEOUT_MS: integer(
    { min: 100, max: 600_000 },
    15_000,
    'Maximum time to receive an upgrade request, in ms. Slower clients are refused with 408.',
  ),
  MAX_HEADER_BYTES: integer(
    { min: 1_024, max: 1_048_576 },
    16_384,
    'Maximum size of the headers of an upgrade request, in bytes.',
  ),
  RESYNC_MS: integer(
    { min: 100, max: 600_000 },
    10_000,
    'Time between reads of the states of all subscribed actions and accounts, in ms. Higher values lower the load on MongoDB and show a change without an event later.',
  ),
  CLOSE_TIMEOUT_MS: integer(
    { min: 0, max: 60_000 },
    3_000,
    'How long a stop waits for clients to close before it ends their connections, in ms.',
  ),
});

/** The schema of everything that notifier reads from its environment. */
export const notifierConfigSchema = variables
  .superRefine(checkRuntimeConfig)
  .superRefine(checkAuthConfig)
  .superRefine(checkKafkaConfig)
  .superRefine(checkMongoConfig)
  .superRefine(checkWebhookConfig)
  .superRefine(checkRedisConfig);

export type NotifierConfig = z.infer<typeof notifierConfigSchema>;

/** Returns the origins whose web pages may connect to any host. */
export function allowedOriginsOf({ INTAKE_PUBLIC_URL, WS_ALLOWED_ORIGINS }: NotifierConfig): string[] {
  const own = INTAKE_PUBLIC_URL === undefined ? [] : [new URL(INTAKE_PUBLIC_URL).origin];
  return [...own, ...WS_ALLOWED_ORIGINS];
}
