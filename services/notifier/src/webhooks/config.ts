import { integer, webhookConfigShape } from '@bulk/runtime';

const MINUTE_MS = 60_000;
const DAY_MS = 1_440 * MINUTE_MS;

/** Variables of the delivery of webhooks. */
export const deliveryConfigShape = {
  ...webhookConfigShape,
  WEBHOOK_POLL_MS: integer(
    { min: 50, max: 10 * MINUTE_MS },
    5_000,
    'Time between looks for webhooks that are due, beside those at the end of an action, in ms.',
  ),
  WEBHOOK_CONCURRENCY: integer({ min: 1, max: 1_000 }, 20, 'Webhooks under way in one process at most.'),
  WEBHOOK_ACCOUNT_CONCURRENCY: integer(
    { min: 1, max: 1_000 },
    5,
    'Webhooks of one account under way in one process at most: a slow receiver does not hold the others up.',
  ),
  WEBHOOK_TIMEOUT_MS: integer(
    { min: 50, max: 10 * MINUTE_MS },
    10_000,
    'Longest time for one try of a webhook, from the look-up of its host to the end of the answer, in ms.',
  ),
  WEBHOOK_LEASE_MARGIN_MS: integer(
    { min: 100, max: 10 * MINUTE_MS },
    30_000,
    'A try without an outcome for this long beyond WEBHOOK_TIMEOUT_MS is taken for dead and repeated, in ms.',
  ),
  WEBHOOK_MAX_ATTEMPTS: integer({ min: 1, max: 100 }, 12, 'Tries of a webhook, then it is given up.'),
  WEBHOOK_INITIAL_DELAY_MS: integer(
    { min: 10, max: DAY_MS },
    2 * MINUTE_MS,
    'Longest wait before the second try of a webhook, in ms; it doubles with each further one.',
  ),
  WEBHOOK_MAX_DELAY_MS: integer(
    { min: 10, max: 7 * DAY_MS },
    DAY_MS / 2,
    "Longest wait before any later try of a webhook, also where the receiver's Retry-After asks for more, in ms.",
  ),
  WEBHOOK_MAX_RESPONSE_BYTES: integer(
    { min: 0, max: 16_777_216 },
    65_536,
    "Bytes of an answer's body that are read (and dropped) before its connection is ended.",
  ),
  WEBHOOK_STOP_MS: integer(
    { min: 0, max: 10 * MINUTE_MS },
    5_000,
    'How long a stop waits for webhooks under way before it breaks them off and hands them back, in ms.',
  ),
};
