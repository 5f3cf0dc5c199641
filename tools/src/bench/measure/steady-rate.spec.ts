import { describe, expect, it } from '@jest/globals';
import { steadyRate } from './steady-rate.ts';

describe('steady rate of an action', () => {
  it('leaves a slow start and a slow end out', () => {
    const reports = [
      { at: 0, processed: 0 },
      { at: 5_000, processed: 100 },
      { at: 6_000, processed: 500 },
      { at: 7_000, processed: 900 },
      { at: 19_000, processed: 1_000 },
    ];
    expect(steadyRate(reports, 1_000)).toBe(400);
  });

  it('is unknown if too few reports fall between the start and the end', () => {
    expect(steadyRate([{ at: 1, processed: 500 }], 1_000)).toBeUndefined();
    expect(steadyRate([], 1_000)).toBeUndefined();
  });
});
