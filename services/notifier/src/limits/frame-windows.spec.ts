import { describe, expect, it } from '@jest/globals';
import { FrameWindows } from './frame-windows.ts';

function given(maxKeys?: number) {
  const clock = { now: 0 };
  return { clock, windows: new FrameWindows(1_000, () => clock.now, maxKeys) };
}

describe('FrameWindows', () => {
  it('keeps the window of a key until it ends', () => {
    const { clock, windows } = given();
    const first = windows.of('a');
    first.spent = 5;
    clock.now = 999;
    expect(windows.of('a')).toBe(first);
    expect(windows.of('b')).toMatchObject({ spent: 0, endsAt: 1_999 });
    clock.now = 1_000;
    expect(windows.of('a')).toEqual({ spent: 0, granted: 0, endsAt: 2_000 });
  });

  it('drops expired windows, and the oldest window beyond its number of keys', () => {
    const { clock, windows } = given(2);
    const [a, b] = [windows.of('a'), windows.of('b')];
    windows.of('c');
    expect(windows.size).toBe(2);
    expect(windows.of('b')).toBe(b);
    expect(windows.of('a')).not.toBe(a);
    clock.now = 5_000;
    windows.of('d');
    expect(windows.size).toBe(1);
  });
});
