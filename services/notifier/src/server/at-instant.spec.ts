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

  it('runs once at its time and not before', () => {
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

  it('waits longer than a timer can, up to the latest possible date', () => {
    const cancel = atInstant(new Date(8.64e15), run);
    atInstant(new Date(100 * DAY_MS), run);
    jest.advanceTimersByTime(100 * DAY_MS - 1);
    expect(runs).toBe(0);
    jest.advanceTimersByTime(1);
    expect(runs).toBe(1);
    cancel();
    expect(jest.getTimerCount()).toBe(0);
  });

  it('follows a change of the system clock', () => {
    atInstant(new Date(10 * DAY_MS), run);
    jest.setSystemTime(10 * DAY_MS);
    jest.advanceTimersByTime(3_600_000);
    expect(runs).toBe(1);
  });

  it('does not run after it was cancelled', () => {
    atInstant(new Date(5_000), run)();
    jest.advanceTimersByTime(DAY_MS);
    expect(runs).toBe(0);
  });
});
