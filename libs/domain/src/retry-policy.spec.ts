import { describe, expect, it } from '@jest/globals';
import { resolveRetryPolicy, retryOverrideSchema } from './retry-policy.ts';

const base = { maxAttempts: 3, initialDelayMs: 100, maxDelayMs: 5_000 };
const limits = { maxAttempts: 20, maxDelayMs: 60_000 };

describe('resolveRetryPolicy', () => {
  it('takes each value from the most specific level that sets it', () => {
    const action = { maxAttempts: 7 };
    const type = { maxAttempts: 5, initialDelayMs: 10 };
    expect(resolveRetryPolicy(base, limits, [action, type])).toEqual({
      maxAttempts: 7,
      initialDelayMs: 10,
      maxDelayMs: 5_000,
    });
    expect(resolveRetryPolicy(base, limits, [null, type]).maxAttempts).toBe(5);
    expect(resolveRetryPolicy(base, limits, [null, undefined])).toEqual(base);
  });

  it('limits overrides, but not the settings of the installation', () => {
    const greedy = { maxAttempts: 100, initialDelayMs: 3_600_000, maxDelayMs: 3_600_000 };
    expect(resolveRetryPolicy(base, limits, [greedy])).toEqual({
      maxAttempts: 20,
      initialDelayMs: 60_000,
      maxDelayMs: 60_000,
    });
    expect(resolveRetryPolicy({ ...base, maxAttempts: 50 }, limits, []).maxAttempts).toBe(50);
  });

  it('never has a first delay above the maximum delay', () => {
    expect(resolveRetryPolicy(base, limits, [{ maxDelayMs: 20 }]).initialDelayMs).toBe(20);
  });
});

describe('retryOverrideSchema', () => {
  it.each([{ maxAttempts: 0 }, { maxAttempts: 1.5 }, { maxDelayMs: -1 }, { attempts: 3 }, [], null, '3'])(
    'refuses %j',
    (given) => {
      expect(retryOverrideSchema.safeParse(given).success).toBe(false);
    },
  );
});
