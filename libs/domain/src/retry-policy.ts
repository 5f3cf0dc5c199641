import { z } from 'zod';

/** How an entity that requests another try is retried. */
export interface RetryPolicy {
  /** Maximum number of tries, including the first one. */
  readonly maxAttempts: number;
  /** Longest wait before the second try, in ms. It doubles with each try. */
  readonly initialDelayMs: number;
  /** Longest wait before any later try, in ms. */
  readonly maxDelayMs: number;
}

const MAX_ATTEMPTS = 100;
const MAX_DELAY_MS = 3_600_000;

const attempts = `expected a whole number from 1 to ${MAX_ATTEMPTS}`;
const delay = `expected a whole number from 1 to ${MAX_DELAY_MS}`;

/** The parts of a retry policy that an action or an action type overrides. Absent parts come from one level up. */
export const retryOverrideSchema = z.strictObject(
  {
    maxAttempts: z
      .int(attempts)
      .min(1, attempts)
      .max(MAX_ATTEMPTS, attempts)
      .optional()
      .meta({ description: 'Maximum number of tries of an entity, including the first one.' }),
    initialDelayMs: z
      .int(delay)
      .min(1, delay)
      .max(MAX_DELAY_MS, delay)
      .optional()
      .meta({ description: 'Longest wait before the second try, in ms. It doubles with each try.' }),
    maxDelayMs: z
      .int(delay)
      .min(1, delay)
      .max(MAX_DELAY_MS, delay)
      .optional()
      .meta({ description: 'Longest wait before any later try, in ms.' }),
  },
  'expected an object',
);
export type RetryOverride = Readonly<z.infer<typeof retryOverrideSchema>>;

/** The limits of an override. An installation's own policy is not bound by them. */
export interface RetryLimits {
  readonly maxAttempts: number;
  readonly maxDelayMs: number;
}

/**
 * Resolves the retry policy of an action.
 *
 * @param base policy of the installation.
 * @param overrides the most specific one first; the first one that sets a value wins.
 */
export function resolveRetryPolicy(
  base: RetryPolicy,
  limits: RetryLimits,
  overrides: readonly (RetryOverride | null | undefined)[],
): RetryPolicy {
  const pick = (name: keyof RetryPolicy, limit: number): number => {
    const given = overrides.find((override) => override?.[name] !== undefined)?.[name];
    return given === undefined ? base[name] : Math.min(given, Math.max(limit, base[name]));
  };
  const maxDelayMs = pick('maxDelayMs', limits.maxDelayMs);
  return {
    maxAttempts: pick('maxAttempts', limits.maxAttempts),
    initialDelayMs: Math.min(pick('initialDelayMs', limits.maxDelayMs), maxDelayMs),
    maxDelayMs,
  };
}
