import { describe, expect, it } from '@jest/globals';
import { Newcomers } from './newcomers.ts';

const LARGE = ['normal large'];
const BOTH = [...LARGE, 'normal small'];

describe('Newcomers', () => {
  it('are not likely next to a lone action, and not because it starts or ends', () => {
    const newcomers = new Newcomers();
    newcomers.note([], 0);
    newcomers.note(LARGE, 100);
    newcomers.note(LARGE, 200);
    newcomers.note([], 300);
    expect(newcomers.areLikelyAt(300)).toBe(false);
  });

  it('are likely for ten seconds after one came, and again after the next', () => {
    const newcomers = new Newcomers();
    newcomers.note(LARGE, 0);
    newcomers.note(BOTH, 1_000);
    newcomers.note(LARGE, 2_000);
    expect([1_000, 10_999, 11_000].map((now) => newcomers.areLikelyAt(now))).toEqual([true, true, false]);
    newcomers.note(BOTH, 20_000);
    expect(newcomers.areLikelyAt(20_000)).toBe(true);
  });

  it('are not likely while two actions run for long', () => {
    const newcomers = new Newcomers();
    for (let now = 0; now < 60_000; now += 250) newcomers.note(BOTH, now);
    expect(newcomers.areLikelyAt(60_000)).toBe(false);
  });

  it('counts an action of the same account that starts here', () => {
    const newcomers = new Newcomers();
    newcomers.arrived('normal large', 0);
    expect(newcomers.areLikelyAt(0)).toBe(false);
    newcomers.arrived('normal large', 5_000);
    expect(newcomers.areLikelyAt(5_000)).toBe(true);
  });
});
