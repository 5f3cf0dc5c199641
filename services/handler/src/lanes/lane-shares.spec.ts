import { describe, expect, it } from '@jest/globals';
import { LANES, type Lane } from '@bulk/domain';
import fc from 'fast-check';
import { LaneShares, type LaneWeights } from './lane-shares.ts';

const WEIGHTS: LaneWeights = { high: 16, normal: 4, low: 1 };

/** Returns the lanes of `n` turns while these lanes wait all the time. */
function turns(shares: LaneShares, waiting: readonly Lane[], n: number): Lane[] {
  return Array.from({ length: n }, () => {
    const lane = shares.next(waiting)!;
    shares.taken(lane);
    return lane;
  });
}
const count = (taken: readonly Lane[], lane: Lane): number => taken.filter((one) => one === lane).length;

describe('the shares of lanes', () => {
  it('equal their weights while all lanes wait', () => {
    const taken = turns(new LaneShares(WEIGHTS), LANES, 21 * 10);
    expect(LANES.map((lane) => count(taken, lane))).toEqual([160, 40, 10]);
  });

  it('are divided among the waiting lanes by their weights', () => {
    const taken = turns(new LaneShares(WEIGHTS), ['normal', 'low'], 50);
    expect([count(taken, 'normal'), count(taken, 'low')]).toEqual([40, 10]);
    expect(turns(new LaneShares(WEIGHTS), ['low'], 3)).toEqual(['low', 'low', 'low']);
    expect(new LaneShares(WEIGHTS).next([])).toBeUndefined();
  });

  it('let a returning lane overtake at once, but not catch up on its idle time', () => {
    const shares = new LaneShares(WEIGHTS);
    turns(shares, ['low'], 1_000);
    shares.begin('high');
    const taken = turns(shares, ['high', 'low'], 34);
    expect(taken[0]).toBe('high');
    expect(count(taken, 'low')).toBeGreaterThanOrEqual(1);
  });

  it('hold over any stretch and for any weights, and no lane starves', () => {
    const weight = fc.integer({ min: 1, max: 100 });
    fc.assert(
      fc.property(
        fc.record({ high: weight, normal: weight, low: weight }),
        fc.array(fc.constantFrom(...LANES), { maxLength: 50 }),
        fc.integer({ min: 1, max: 400 }),
        (weights, history, n) => {
          const shares = new LaneShares(weights);
          // Lanes that arrived and left, one at a time.
          for (const lane of history) {
            shares.begin(lane);
            turns(shares, [lane], 1);
          }
          for (const lane of LANES) shares.begin(lane);
          const taken = turns(shares, LANES, n);
          const sum = weights.high + weights.normal + weights.low;
          for (const lane of LANES) {
            const due = (n * weights[lane]) / sum;
            // One turn of its own and one of each other lane, in the lane's own measure.
            expect(Math.abs(count(taken, lane) - due)).toBeLessThanOrEqual(
              2 + (2 * weights[lane]) / Math.min(...Object.values(weights)),
            );
          }
          if (n >= 3 * sum) for (const lane of LANES) expect(count(taken, lane)).toBeGreaterThan(0);
        },
      ),
    );
  });
});
