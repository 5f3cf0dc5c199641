import { describe, expect, it } from '@jest/globals';
import { inRounds, median, timesOf } from './medians.ts';

describe('medians of measurements', () => {
  it('takes the middle value of an odd number of values, in whatever order they come', () => {
    expect(median([9, 1, 5])).toBe(5);
    expect(median([7])).toBe(7);
  });

  it('takes the mean of the two middle values if their number is even', () => {
    expect(median([4, 1, 2, 100])).toBe(3);
  });

  it('has no median of no values', () => {
    expect(median([])).toBeNaN();
    expect(timesOf([])).toEqual({ median: Number.NaN, slowest: Number.NaN, runs: 0 });
  });

  it('reports the slowest run as well as the median', () => {
    expect(timesOf([30, 10, 20])).toEqual({ median: 20, slowest: 30, runs: 3 });
  });

  it('interleaves the measurements over the rounds', async () => {
    const order: string[] = [];
    const measure = (name: string) => () => {
      order.push(name);
      return Promise.resolve(order.length);
    };
    const results = await inRounds(
      2,
      new Map([
        ['a', measure('a')],
        ['b', measure('b')],
      ]),
    );
    expect(order).toEqual(['a', 'b', 'a', 'b']);
    expect([...results]).toEqual([
      ['a', [1, 3]],
      ['b', [2, 4]],
    ]);
  });
});
