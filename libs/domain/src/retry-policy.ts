import { z } from 'zod';

/** How an entity that asks for another try is tried again. */
export interface RetryPolicy {
  /** Tries at most, the first one included. */
  readonly maxAttempts: number;
  /** Longest wait before the second try, in ms; it doubles with each try. */
  readonly initialDelayMs: number;
  /** Longest wait before any later try, in ms. */
  readonly maxDelayMs: number;
}

const MAX_ATTEMPTS = 100;
const MAX_DELAY_MS = 3_600_000;

const attempts = `expected a whole number from 1 to ${MAX_ATTEMPTS}`;
const delay = `expected a whole number from 1 to ${MAX_DELAY_MS}`;

/** What of a retry policy an action or an action type sets of its own; what is absent is as it is one level up. */
export const retryOverrideSchema = z.strictObject(
  {
    maxAttempts: z
      .int(attempts)
      .min(1, attempts)
      .max(MAX_ATTEMPTS, attempts)
      .optional()
      .meta({ description: 'Tries of an entity at most, the first one included.' }),
    initialDelayMs: z
      .int(delay)
      .min(1, delay)
      .max(MAX_DELAY_MS, delay)
      .optional()
      .meta({ description: 'Longest wait before the second try, in ms; it doubles with each try.' }),
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

/** The most that an override may ask for; an installation's own policy is not bound by it. */
export interface RetryLimits {
  readonly maxAttempts: number;
  readonly maxDelayMs: number;
}

/**
 * The policy that an action has.
 *
 * @param base that of the installation.
 * @param overrides the most specific one first: what it sets counts.
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
