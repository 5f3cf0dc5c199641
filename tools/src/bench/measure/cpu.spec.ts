import { describe, expect, it } from '@jest/globals';
import { cpuTime, cpuTimeOf, cpuTimes } from './cpu.ts';

const STAT =
  '4711 (node) S 1 4711 4711 0 -1 4194560 9000 0 10 0 250 50 7 3 20 0 11 0 100 1000000 9000 18446744073709551615';

describe('CPU time of a process', () => {
  it('adds user and system time, without the time of children', () => {
    expect(cpuTimeOf(STAT)).toBe(3_000);
  });

  it('reads the times behind a program name with spaces and parentheses', () => {
    expect(cpuTimeOf(STAT.replace('(node)', '(a (b) c) 1 2)'))).toBe(3_000);
  });

  it('refuses a text without times', () => {
    expect(() => cpuTimeOf('4711 (node) S 1')).toThrow('no CPU times');
  });

  it('rises while this process works, and is absent for a process that does not exist', () => {
    const before = cpuTime(process.pid) ?? Number.NaN;
    const until = performance.now() + 60;
    while (performance.now() < until) Math.sqrt(until);
    expect(cpuTime(process.pid)).toBeGreaterThan(before);
    expect(
      cpuTimes(
        new Map([
          ['here', process.pid],
          ['gone', 2 ** 30],
        ]),
      ),
    ).toEqual(new Map([['here', expect.any(Number)]]));
  });
});
