import { describe, expect, it } from '@jest/globals';
import { SnapshotSpacing } from './snapshot-spacing.ts';

/** Timers that run when the test calls them, however early. */
function given() {
  const clock = { now: 0 };
  const timers: { ms: number; run: () => void; isCancelled: boolean }[] = [];
  const spacing = new SnapshotSpacing(1_000, {
    now: () => clock.now,
    after: (ms, run) => {
      const timer = { ms, run, isCancelled: false };
      timers.push(timer);
      return () => (timer.isCancelled = true);
    },
  });
  return { clock, timers, spacing };
}

describe('SnapshotSpacing', () => {
  it('delays a snapshot until the interval since the last snapshot of its subject has passed', () => {
    const { clock, spacing } = given();
    spacing.shown('a');
    clock.now = 300;
    expect([spacing.delayOf('a'), spacing.delayOf('b')]).toEqual([700, 0]);
    clock.now = 1_000;
    expect(spacing.delayOf('a')).toBe(0);
  });

  it('keeps one postponed snapshot of a subject and drops cancelled ones', () => {
    const { clock, timers, spacing } = given();
    const shown: string[] = [];
    spacing.shown('a');
    clock.now = 400;
    spacing.postpone('a', () => shown.push('first'));
    spacing.postpone('a', () => shown.push('second'));
    expect(timers.map(({ ms, isCancelled }) => [ms, isCancelled])).toEqual([
      [600, true],
      [600, false],
    ]);
    timers[1]!.run();
    expect(shown).toEqual(['second']);
    spacing.postpone('a', () => shown.push('third'));
    spacing.close();
    expect(timers[2]?.isCancelled).toBe(true);
  });

  it('counts a snapshot as shown only if it was shown after the request, even if a timer fires early', () => {
    const { clock, spacing } = given();
    spacing.shown('a');
    clock.now = 999.5;
    expect(spacing.delayOf('a')).toBeGreaterThan(0);
    expect(spacing.wasShownAfter('a', 400)).toBe(false);
    spacing.shown('a');
    expect(spacing.wasShownAfter('a', 400)).toBe(true);
  });
});
