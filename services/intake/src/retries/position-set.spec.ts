import { describe, expect, it } from '@jest/globals';
import { PositionSet } from './position-set.ts';

describe('PositionSet', () => {
  it('has exactly the positions that were added, whatever their order and size', () => {
    const set = new PositionSet();
    const positions = [9_999_999, 0, 7, 8, 1_024, 65_535];
    expect(positions.map((position) => set.add(position))).toEqual(positions.map(() => true));
    expect(positions.map((position) => set.add(position))).toEqual(positions.map(() => false));
    expect(set.size).toBe(positions.length);
    expect(positions.every((position) => set.has(position))).toBe(true);
    expect([1, 6, 9, 1_023, 1_025, 10_000_000, 20_000_000].some((position) => set.has(position))).toBe(false);
  });
});
