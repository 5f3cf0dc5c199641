import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  exceedsLimit,
  failureLimit,
  hasFailed,
  isFailureShare,
  judgedLimit,
  maxFailuresOf,
  reasonOf,
} from './failure-limit.ts';

const counts = (success: number, failure: number) => ({ success, failure, skipped: 0 });
const RUNNING = { ended: false, stopping: false, total: 1_000 };

describe('isFailureShare', () => {
  it.each(['5%', '0.01%', '2.5%', '99.99%', '05%'])('accepts %s', (text) => {
    expect(isFailureShare(text)).toBe(true);
  });

  it.each(['0%', '0.00%', '100%', '101%', '-1%', '5', '5 %', '1.234%', '.5%', 'abc', '', '1e1%'])(
    'refuses "%s"',
    (text) => {
      expect(isFailureShare(text)).toBe(false);
    },
  );
});

describe('a failure limit', () => {
  it('shows what the request has stated', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 9_999 }), (hundredths) => {
        const share = `${hundredths / 100}%`;
        expect(maxFailuresOf(failureLimit(share))).toBe(share);
      }),
    );
    expect(failureLimit(0)).toEqual({ max: 0, unit: 'failures', then: 'fail' });
  });

  it('is exceeded by one failure more than it tolerates', () => {
    expect(exceedsLimit(failureLimit(3), counts(0, 3), 1_000)).toBe(false);
    expect(exceedsLimit(failureLimit(3), counts(0, 4), 1_000)).toBe(true);
  });

  it('judges a share from the 100th outcome on, or at the end of a smaller action', () => {
    const limit = failureLimit('5%');
    expect(exceedsLimit(limit, counts(0, 99), 1_000)).toBe(false);
    expect(exceedsLimit(limit, counts(95, 5), 1_000)).toBe(false);
    expect(exceedsLimit(limit, counts(94, 6), 1_000)).toBe(true);
    expect(exceedsLimit(limit, counts(0, 9), 10)).toBe(false);
    expect(exceedsLimit(limit, counts(9, 1), 10)).toBe(true);
  });

  it('is not judged in an action that has ended or is being cancelled, nor after it had a state', () => {
    const limit = failureLimit(0);
    expect(judgedLimit(limit, counts(0, 1), RUNNING)).toEqual({ ...limit, state: 'reached' });
    expect(judgedLimit(limit, counts(0, 1), { ...RUNNING, ended: true })).toBe(limit);
    expect(judgedLimit(limit, counts(0, 1), { ...RUNNING, stopping: true })).toBe(limit);
    const lifted = { ...limit, state: 'lifted' } as const;
    expect(judgedLimit(lifted, counts(0, 1), RUNNING)).toBe(lifted);
  });

  it('gives the reason of a failing action, and of a paused one until it continues', () => {
    const failed = { ...failureLimit('2.5%'), state: 'reached' } as const;
    expect(hasFailed(failed)).toBe(true);
    expect(reasonOf(failed, false)).toEqual({
      code: 'TOO_MANY_FAILURES',
      message: 'more than 2.5% of the outcomes failed (maxFailures)',
    });
    const halted = { ...failureLimit(7, 'pause'), state: 'reached' } as const;
    expect(hasFailed(halted)).toBe(false);
    expect(reasonOf(halted, true)?.message).toBe('more than 7 failed (maxFailures)');
    expect(reasonOf(halted, false)).toBeNull();
    expect(reasonOf({ ...halted, state: 'lifted' }, true)).toBeNull();
  });
});
