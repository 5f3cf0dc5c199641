import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { acquireLock, withLock } from './lock.ts';
import { ownIdentity } from './processes.ts';

describe('the lock of the stack', () => {
  let folder: string;
  let path: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'stack-lock-'));
    path = join(folder, 'lock');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('admits one at a time', async () => {
    let inside = 0;
    let most = 0;
    const work = async (): Promise<void> => {
      most = Math.max(most, ++inside);
      await new Promise((resolve) => setImmediate(resolve));
      inside--;
    };
    await Promise.all(Array.from({ length: 5 }, () => withLock(path, { timeoutMs: 10_000 }, work)));
    expect(most).toBe(1);
    expect(existsSync(path)).toBe(false);
  });

  it('names its holder when the time is up', async () => {
    const release = await acquireLock(path, { timeoutMs: 1_000 });
    const waited: number[] = [];
    const second = acquireLock(path, { timeoutMs: 150, onWait: (pid) => waited.push(pid) });
    await expect(second).rejects.toMatchObject({
      code: 'LOCKED',
      message: expect.stringContaining(String(process.pid)),
    });
    expect(waited).toEqual([process.pid]);
    release();
  });

  it('is taken over from a dead owner, even if another process has its pid', async () => {
    writeFileSync(path, JSON.stringify({ ...ownIdentity(), startedAt: 'an earlier start' }));
    const release = await acquireLock(path, { timeoutMs: 1_000 });
    release();
    expect(existsSync(path)).toBe(false);
  });

  it('is released when the work fails', async () => {
    await expect(
      withLock(path, { timeoutMs: 1_000 }, () => Promise.reject(new Error('work'))),
    ).rejects.toThrow('work');
    expect(existsSync(path)).toBe(false);
  });
});
