import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { inParallel } from './in-parallel.ts';
import { describeLatencies, percentile } from './latencies.ts';

describe('percentile', () => {
  it('returns the lowest value that the given share of values does not exceed', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ noNaN: true }), { minLength: 1 }),
        fc.double({ min: 0.01, max: 1, noNaN: true }),
        (values, share) => {
          const found = percentile(values, share);
          expect(values).toContain(found);
          expect(values.filter((v) => v <= found).length / values.length).toBeGreaterThanOrEqual(share);
          expect(values.filter((v) => v < found).length / values.length).toBeLessThan(share);
        },
      ),
    );
  });

  it('is shown in milliseconds', () => {
    expect(describeLatencies([4, 1, 3, 2])).toBe('p50 2 ms · p90 4 ms · p99 4 ms · max 4 ms');
  });
});

describe('inParallel', () => {
  it('calls for each index once, within the maximum concurrency', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(30), fc.integer({ min: 1, max: 8 }), async (count, concurrency) => {
        const seen: number[] = [];
        let [now, most] = [0, 0];
        await inParallel(count, concurrency, async (index) => {
          now += 1;
          most = Math.max(most, now);
          await Promise.resolve();
          seen.push(index);
          now -= 1;
        });
        expect(seen.sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, i) => i));
        expect(most).toBeLessThanOrEqual(concurrency);
      }),
    );
  });

  it('stops at the first error', async () => {
    const seen: number[] = [];
    const work = (index: number): Promise<void> => {
      seen.push(index);
      return index === 2 ? Promise.reject(new Error('no')) : Promise.resolve();
    };
    await expect(inParallel(10, 1, work)).rejects.toThrow('no');
    expect(seen).toEqual([0, 1, 2]);
  });
});
