import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, it } from '@jest/globals';
import { identify, isAlive, ownIdentity, parseProcStat, signalProcess, terminate } from './processes.ts';

describe('parseProcStat', () => {
  const after = Array.from({ length: 30 }, (_unused, index) => String(index + 4)).join(' ');

  it('reads the fields after the name, which may contain spaces and parentheses', () => {
    expect(parseProcStat(`42 (a) b (c)) S ${after}`)).toEqual({ state: 'S', startTicks: '22' });
  });

  it('refuses a truncated line', () => {
    expect(parseProcStat('42 (a) S 1 2')).toBeUndefined();
  });
});

describe('process identity', () => {
  it('identifies this process', () => {
    expect(isAlive(ownIdentity())).toBe(true);
  });

  it('distinguishes a process from a later one with the same pid, and does not signal the latter', () => {
    const stranger = { pid: process.pid, startedAt: 'an earlier start' };
    expect(isAlive(stranger)).toBe(false);
    // If the signal were sent, this test's process would end.
    expect(signalProcess(stranger, 'SIGKILL')).toBe(false);
  });

  it('kills a process that ignores the request after the grace time', async () => {
    const script = `process.on('SIGTERM', () => {}); process.stdout.write('ready'); setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'ignore'] });
    const exit = once(child, 'exit');
    await once(child.stdout, 'data');
    const identity = identify(child.pid ?? 0);
    expect(identity).toBeDefined();
    await terminate(identity!, 200);
    expect(isAlive(identity!)).toBe(false);
    expect(await exit).toEqual([null, 'SIGKILL']);
  });
});
