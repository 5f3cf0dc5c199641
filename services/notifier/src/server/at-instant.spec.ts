import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { atInstant } from './at-instant.ts';

const DAY_MS = 86_400_000;
let runs = 0;
const run = (): void => {
  runs += 1;
};

describe('atInstant', () => {
  beforeEach(() => {
    runs = 0;
    jest.useFakeTimers({ now: 0 });
  });
  afterEach(() => {
    jest.useRealTimers();
  });

  it('runs once at its time, not before', () => {
    atInstant(new Date(5_000), run);
    jest.advanceTimersByTime(4_999);
    expect(runs).toBe(0);
    jest.advanceTimersByTime(1);
    expect(runs).toBe(1);
    jest.advanceTimersByTime(DAY_MS);
    expect(runs).toBe(1);
  });

  it('runs at once when the time has passed', () => {
    atInstant(new Date(0), run);
    expect(runs).toBe(1);
  });

  it('waits longer than a timer can, and to the end of time', () => {
    const cancel = atInstant(new Date(8.64e15), run);
    atInstant(new Date(100 * DAY_MS), run);
    jest.advanceTimersByTime(100 * DAY_MS - 1);
    expect(runs).toBe(0);
    jest.advanceTimersByTime(1);
    expect(runs).toBe(1);
    cancel();
    expect(jest.getTimerCount()).toBe(0);
  });

  it('heeds a clock that was set', () => {
    atInstant(new Date(10 * DAY_MS), run);
    jest.setSystemTime(10 * DAY_MS);
    jest.advanceTimersByTime(3_600_000);
    expect(runs).toBe(1);
  });

  it('does not run when it is cancelled', () => {
    atInstant(new Date(5_000), run)();
    jest.advanceTimersByTime(DAY_MS);
    expect(runs).toBe(0);
  });
});
