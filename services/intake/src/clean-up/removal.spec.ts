import { describe, expect, it } from '@jest/globals';
import { removalGroups } from './removal.ts';

const action = (_id: string, batchCount: number) => ({ _id, batchCount });

describe('removalGroups', () => {
  it('groups small actions together and keeps a large action alone', () => {
    const actions = [action('a', 1), action('b', 499), action('c', 1), action('d', 10_000), action('e', 3)];
    expect(removalGroups(actions)).toEqual([['a', 'b'], ['c'], ['d'], ['e']]);
  });

  it('returns no group when there is no action', () => {
    expect(removalGroups([])).toEqual([]);
  });
});
