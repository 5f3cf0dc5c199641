import { describe, expect, it } from '@jest/globals';
import { batchWeight } from './batch-weight.ts';

describe('the weight of a batch', () => {
  it.each([
    ['a full batch', { total: 1_000, batchCount: 10 }, 1],
    ['a batch of an action that was accepted with a larger batch size', { total: 1_000, batchCount: 5 }, 1],
    ['a sixth of a batch', { total: 100, batchCount: 6 }, 1 / 6],
    ['a batch of a single entity', { total: 48, batchCount: 48 }, 0.1],
    ['an action without batches', { total: 0, batchCount: 0 }, 0.1],
  ])('is that of %s', (_name, cut, weight) => {
    expect(batchWeight(cut, 100)).toBeCloseTo(weight, 10);
  });
});
