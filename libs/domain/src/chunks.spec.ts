import { describe, expect, it } from '@jest/globals';
import { chunksOf } from './chunks.ts';

describe('chunksOf', () => {
  it('keeps every item in order, with the remainder in the last part', () => {
    expect(chunksOf([1, 2, 3, 4, 5], 2)).toEqual([[1, 2], [3, 4], [5]]);
    expect(chunksOf([1, 2], 2)).toEqual([[1, 2]]);
    expect(chunksOf([], 2)).toEqual([]);
  });
});
