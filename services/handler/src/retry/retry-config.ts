import { integer, optionalInteger } from '@bulk/runtime';
import { z } from 'zod';

const TIERS = 'expected three whole numbers, ascending, separated by commas';

/** Variables of the repeated tries of batches. */
export const retryConfigShape = {
  MAX_ATTEMPTS: integer(
    { min: 1, max: 100 },
    3,
    'Maximum number of tries of an entity that asks for another try, and of a batch that fails for a reason that is not known to be transient.',
  ),
  RETRY_INITIAL_DELAY_MS: integer({ min: 1, max: 60_000 }, 100, 'Maximum wait before the second try, in ms.'),
  RETRY_MAX_DELAY_MS: integer({ min: 1, max: 600_000 }, 5_000, 'Maximum wait before any later try, in ms.'),
  RETRY_ATTEMPTS_LIMIT: integer(
    { min: 1, max: 100 },
    20,
    'Maximum number of tries of an entity that the retry policy of an action or an action type may set.',
  ),
  RETRY_DELAY_LIMIT_MS: integer(
    { min: 1, max: 3_600_000 },
    60_000,
    'Maximum wait between tries that the retry policy of an action or an action type may set, in ms.',
  ),
  RETRY_IN_PLACE_MS: integer(
    { min: 0, max: 600_000 },
    15_000,
    'Maximum time that a batch which waits for another try holds its partition, in ms. After this time the batch moves to a retry topic. Higher values keep batches in order for longer and delay the batches behind them.',
  ),
  RETRY_TIERS_MS: z
    .string()
    .regex(/^\d{1,9}(,\d{1,9}){2}$/, TIERS)
    .transform((text) => text.split(',').map(Number))
    .refine((tiers) => tiers.every((ms, i) => ms >= (tiers[i - 1] ?? 1)), TIERS)
    .default([30_000, 300_000, 3_600_000])
    .meta({
      description:
        'How long a batch waits in each of the three retry topics, in ms, in ascending order, e.g. 30000,300000,3600000.',
    }),
  RETRY_MAX_AGE_MS: optionalInteger(
    { min: 0, max: 604_800_000 },
    'Maximum time that a batch waits in retry topics, in ms. After this time the batch is dead-lettered. Default: a seventh of KAFKA_RETENTION_HOURS.',
  ),
};

export type RetryConfig = z.infer<z.ZodObject<typeof retryConfigShape>>;
