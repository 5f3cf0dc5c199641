import { integer } from '@bulk/runtime';
import { webhookConfigShape } from '@bulk/webhooks';
import type { z } from 'zod';

const MINUTE_MS = 60_000;
const DAY_MS = 1_440 * MINUTE_MS;

/** Variables of the delivery of webhooks. */
export const deliveryConfigShape = {
  ...webhookConfigShape,
  WEBHOOK_POLL_MS: integer(
    { min: 50, max: 10 * MINUTE_MS },
    5_000,
    'Time between looks for due webhooks, in addition to those at the end of an action, in ms. Higher values lower the load on MongoDB and delay repeated tries.',
  ),
  WEBHOOK_CONCURRENCY: integer(
    { min: 1, max: 1_000 },
    20,
    'Maximum number of webhooks under way in one process.',
  ),
  WEBHOOK_ACCOUNT_CONCURRENCY: integer(
    { min: 1, max: 1_000 },
    5,
    'Maximum number of webhooks of one account under way in one process, so that a slow receiver does not delay other accounts.',
  ),
  WEBHOOK_TIMEOUT_MS: integer(
    { min: 50, max: 10 * MINUTE_MS },
    10_000,
    'Maximum time of one try of a webhook, from the look-up of its host to the end of the answer, in ms.',
  ),
  WEBHOOK_LEASE_MARGIN_MS: integer(
    { min: 100, max: 10 * MINUTE_MS },
    30_000,
    'Time after the time-out of a try, in ms, after which a try without a recorded outcome counts as dead and is repeated. Higher values repeat the webhooks of a dead process later.',
  ),
  WEBHOOK_MAX_ATTEMPTS: integer(
    { min: 1, max: 100 },
    12,
    'Maximum number of tries of a webhook. After the last one it is given up.',
  ),
  WEBHOOK_INITIAL_DELAY_MS: integer(
    { min: 10, max: DAY_MS },
    2 * MINUTE_MS,
    'Maximum wait before the second try of a webhook, in ms. It doubles with each further try.',
  ),
  WEBHOOK_MAX_DELAY_MS: integer(
    { min: 10, max: 7 * DAY_MS },
    DAY_MS / 2,
    "Maximum wait before any later try of a webhook, in ms, even if the receiver's Retry-After asks for more.",
  ),
  WEBHOOK_MAX_RESPONSE_BYTES: integer(
    { min: 0, max: 16_777_216 },
    65_536,
    "Maximum number of bytes of an answer's body that are read, and dropped, before its connection is ended.",
  ),
  WEBHOOK_STOP_MS: integer(
    { min: 0, max: 10 * MINUTE_MS },
    5_000,
    'How long a stop waits for the webhooks under way, in ms. After this time it breaks them off and hands them back.',
  ),
};

export type DeliveryConfig = z.infer<z.ZodObject<typeof deliveryConfigShape>>;
