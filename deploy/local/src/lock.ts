import { linkSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { StackError } from './errors.ts';
import { readJson } from './files.ts';
import { identitySchema, isAlive, ownIdentity } from './processes.ts';

export interface LockOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  /** Called once if another process holds the lock. */
  readonly onWait?: (holderPid: number) => void;
}

let serial = 0;

/**
 * Acquires a lock that ends with its holder's death. @returns a function that releases it.
 *
 * The lock is a file with its owner's identity. link(2) creates it complete or not at all, so it never exists without
 * an owner.
 */
export async function acquireLock(path: string, options: LockOptions): Promise<() => void> {
  mkdirSync(dirname(path), { recursive: true });
  const draft = `${path}.${process.pid}.${serial++}`;
  writeFileSync(draft, JSON.stringify(ownIdentity()));
  const deadline = Date.now() + options.timeoutMs;
  let told = false;
  try {
    while (!tryLink(draft, path)) {
      options.signal?.throwIfAborted();
      const holder = readJson(path, identitySchema);
      if (holder !== undefined && !isAlive(holder)) {
        discardStale(path, holder.pid);
        continue;
      }
      if (holder !== undefined && !told) options.onWait?.(holder.pid);
      told ||= holder !== undefined;
      if (Date.now() >= deadline) {
        throw new StackError(
          'LOCKED',
          `process ${holder?.pid ?? 'unknown'} has held ${path} for ${Math.round(options.timeoutMs / 1000)} s`,
          'npm run stack -- down',
        );
      }
      await delay(100);
    }
  } finally {
    rmSync(draft, { force: true });
  }
  return () => rmSync(path, { force: true });
}

/** Runs `work` while holding the lock. */
export async function withLock<T>(path: string, options: LockOptions, work: () => Promise<T>): Promise<T> {
  const release = await acquireLock(path, options);
  try {
    return await work();
  } finally {
    release();
  }
}

function tryLink(draft: string, path: string): boolean {
  try {
    linkSync(draft, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** Moves a dead owner's lock aside. If a living owner has replaced it meanwhile, the lock is put back. */
function discardStale(path: string, deadPid: number): void {
  const aside = `${path}.stale.${process.pid}.${serial++}`;
  try {
    renameSync(path, aside);
  } catch {
    return;
  }
  const moved = readJson(aside, identitySchema);
  if (moved !== undefined && moved.pid !== deadPid && isAlive(moved)) tryLink(aside, path);
  rmSync(aside, { force: true });
}
