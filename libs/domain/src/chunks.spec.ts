import { describe, expect, it } from '@jest/globals';
import { firstWithin, type SizeLimit } from './chunks.ts';

const bytes = (max: number): SizeLimit<number> => ({ sizeOf: (size) => size, max });
const count = (max: number): SizeLimit<number> => ({ sizeOf: () => 1, max });

describe('firstWithin', () => {
  it.each<[string, number[], SizeLimit<number>[], number[]]>([
    ['all items if they keep within the limit', [1, 2, 3], [bytes(6)], [1, 2, 3]],
    ['the items before the first one beyond the limit', [1, 2, 3, 1], [bytes(5)], [1, 2]],
    ['the items before the first one beyond any of several limits', [1, 1, 9], [bytes(5), count(1)], [1]],
    ['an item that alone is beyond the limit, and no other', [7, 1], [bytes(5)], [7]],
    ['nothing of an empty list', [], [bytes(5)], []],
  ])('returns %s', (_what, items, limits, first) => {
    expect(firstWithin(items, limits)).toEqual(first);
  });

  it('returns no item that is beyond the limit if none must be returned', () => {
    expect(firstWithin([7, 1], [bytes(5)], 0)).toEqual([]);
  });
});
