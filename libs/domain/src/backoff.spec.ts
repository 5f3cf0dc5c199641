import { describe, expect, it } from '@jest/globals';
import { backoffDelay } from './backoff.ts';

const options = { initialDelayMs: 100, maxDelayMs: 5_000 };

describe('backoffDelay', () => {
  it('doubles its ceiling with each try, up to the maximum delay', () => {
    const ceilings = [1, 2, 3, 6, 7, 5_000].map((attempt) => backoffDelay(attempt, options, () => 1));
    expect(ceilings).toEqual([100, 200, 400, 3_200, 5_000, 5_000]);
  });

  it('is spread from zero to the ceiling (full jitter)', () => {
    expect([0, 0.25, 0.5].map((chance) => backoffDelay(3, options, () => chance))).toEqual([0, 100, 200]);
  });
});
