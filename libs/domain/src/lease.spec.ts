import { describe, expect, it } from '@jest/globals';
import { leaseFor, LeaseTerm, renewalInterval } from './lease.ts';

describe('leaseFor', () => {
  it('ends after its duration', () => {
    expect(leaseFor('me/1', 500, new Date(1_000))).toEqual({ owner: 'me/1', until: new Date(1_500) });
  });
});

describe('LeaseTerm', () => {
  const term = new LeaseTerm(1_000, 5_000);

  it('lasts exactly until its end', () => {
    expect([term.lasts(0, 6_000), term.lasts(0, 6_001)]).toEqual([true, false]);
    expect([term.lasts(300, 5_700), term.lasts(300, 5_701)]).toEqual([true, false]);
  });

  it('is safe for the first half of its duration', () => {
    expect([term.isSafe(5_500), term.isSafe(5_501)]).toEqual([true, false]);
  });

  it('is renewed while it is safe', () => {
    expect(term.isSafe(5_000 + renewalInterval(1_000))).toBe(true);
  });
});
