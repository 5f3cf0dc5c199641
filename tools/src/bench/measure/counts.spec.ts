import { describe, expect, it } from '@jest/globals';
import { largestOf, redisCalls, risenBy, sumOf, totalOf } from './counts.ts';

const counts = (values: Record<string, number>): Map<string, number> => new Map(Object.entries(values));

describe('counts before and after some work', () => {
  it('keeps what has risen, also from nothing', () => {
    expect(risenBy(counts({ a: 1, b: 2 }), counts({ a: 4, b: 2, c: 5 }))).toEqual(counts({ a: 3, c: 5 }));
  });

  it('adds and totals by name', () => {
    expect(sumOf([counts({ a: 1 }), counts({ a: 2, b: 3 })])).toEqual(counts({ a: 3, b: 3 }));
    expect(totalOf(counts({ a: 1, b: 2 }))).toBe(3);
  });

  it('names the largest numbers of all sources first, and no more than asked for', () => {
    expect(largestOf([counts({ a: 1, b: 2, c: 9 }), counts({ a: 5 })], 2)).toEqual(['c', 'a']);
  });

  it("reads the calls of Redis' commands and subcommands", () => {
    const info =
      '# Commandstats\r\ncmdstat_hset:calls=12,usec=30,usec_per_call=2.50,rejected_calls=0\r\ncmdstat_config|get:calls=1,usec=9\r\n';
    expect(redisCalls(info)).toEqual(counts({ hset: 12, 'config|get': 1 }));
  });
});
