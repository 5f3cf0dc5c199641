import { describe, expect, it } from '@jest/globals';
import { isDeeperThan } from './nesting.ts';

describe('isDeeperThan', () => {
  it.each([
    [1, 0, false],
    ['[[]]', 0, false],
    [null, 0, false],
    [{}, 0, true],
    [{}, 1, false],
    [{ a: [] }, 1, true],
    [{ a: 1, b: [{ c: null }] }, 2, true],
    [{ a: 1, b: [{ c: null }] }, 3, false],
  ])('judges %j at %i levels as %p', (value, levels, deeper) => {
    expect(isDeeperThan(value, levels)).toBe(deeper);
  });

  it('does not exhaust the stack at any depth', () => {
    const deep: unknown = JSON.parse('['.repeat(200_000) + ']'.repeat(200_000));
    expect(isDeeperThan(deep, 64)).toBe(true);
  });
});
