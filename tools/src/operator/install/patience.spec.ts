import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Patience } from './patience.ts';

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

describe('Patience', () => {
  it('ends after its limit when nothing makes progress, also if the question fails', async () => {
    const patience = new Patience(1_000);
    patience.extendWhile({
      isAtWork: () => Promise.reject(new Error('no answer')),
      everyMs: 250,
      atMostMs: 60_000,
    });
    await jest.advanceTimersByTimeAsync(999);
    expect(patience.signal.aborted).toBe(false);
    await jest.advanceTimersByTimeAsync(1);
    expect(patience.signal.aborted).toBe(true);
    patience.end();
  });

  it('starts again while there is progress', async () => {
    const patience = new Patience(1_000);
    let atWork = true;
    patience.extendWhile({ isAtWork: () => Promise.resolve(atWork), everyMs: 250, atMostMs: 60_000 });
    await jest.advanceTimersByTimeAsync(20_000);
    expect(patience.signal.aborted).toBe(false);
    atWork = false;
    await jest.advanceTimersByTimeAsync(1_250);
    expect(patience.signal.aborted).toBe(true);
    patience.end();
  });

  it('starts again for a limited time only', async () => {
    const patience = new Patience(1_000);
    patience.extendWhile({ isAtWork: () => Promise.resolve(true), everyMs: 250, atMostMs: 5_000 });
    await jest.advanceTimersByTimeAsync(7_000);
    expect(patience.signal.aborted).toBe(true);
    patience.end();
  });

  it('never ends once it is not needed any more', async () => {
    const patience = new Patience(1_000);
    patience.extendWhile({ isAtWork: () => Promise.resolve(true), everyMs: 250, atMostMs: 5_000 });
    patience.end();
    await jest.advanceTimersByTimeAsync(10_000);
    expect(patience.signal.aborted).toBe(false);
    expect(jest.getTimerCount()).toBe(0);
  });
});
