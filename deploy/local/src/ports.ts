import { createServer } from 'node:net';
import { join } from 'node:path';
import { z } from 'zod';
import { StackError } from './errors.ts';
import { readJson, writeAtomically } from './files.ts';
import { withLock } from './lock.ts';
import { identitySchema, isAlive, ownIdentity } from './processes.ts';

/**
 * The range of ports below the one from which the kernel takes the local ports of outgoing connections, so that a
 * restarted part finds its port still free.
 */
const fallback = { first: 21_000, last: 29_999 };

const reservationsSchema = z.record(z.string(), identitySchema);

/** Returns whether a process may listen on the port now. */
export function isPortFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.unref();
    server.once('error', () => resolve(false));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)));
  });
}

/**
 * Chooses a port: the first preferred one that is free, else a free one of the fallback range. `taken` are ports that
 * are reserved for others that do not listen yet.
 */
export async function choosePort(
  preferred: readonly number[],
  taken: ReadonlySet<number>,
  isFree: (port: number) => Promise<boolean> = isPortFree,
  random: () => number = Math.random,
): Promise<number> {
  const size = fallback.last - fallback.first + 1;
  const offset = Math.floor(random() * size);
  for (let tried = 0; tried < preferred.length + 200; tried++) {
    const port = preferred[tried] ?? fallback.first + ((offset + tried) % size);
    if (!taken.has(port) && (await isFree(port))) return port;
  }
  throw new StackError(
    'PORT_REFUSED',
    `none of 200 ports from ${fallback.first} to ${fallback.last} on 127.0.0.1 could be listened on`,
    'ss -ltnp   # shows who listens; stop it, or allow listening on 127.0.0.1',
  );
}

/**
 * Chooses ports for several purposes and reserves them for this process, across all stacks of the user. Without the
 * reservation, another stack could get the same port between the choice and the moment when the part listens.
 */
export async function reservePorts<Key extends string>(
  cache: string,
  wanted: ReadonlyMap<Key, readonly number[]>,
  signal?: AbortSignal,
): Promise<Map<Key, number>> {
  const file = join(cache, 'ports.json');
  return withLock(`${file}.lock`, { timeoutMs: 30_000, signal }, async () => {
    const own = ownIdentity();
    const reserved = new Map(
      Object.entries(readJson(file, reservationsSchema) ?? {}).filter(([, owner]) => isAlive(owner)),
    );
    const chosen = new Map<Key, number>();
    for (const [key, preferred] of wanted) {
      const port = await choosePort(preferred, new Set([...reserved.keys()].map(Number)));
      reserved.set(String(port), own);
      chosen.set(key, port);
    }
    writeAtomically(file, JSON.stringify(Object.fromEntries(reserved)));
    return chosen;
  });
}

/** Releases the ports before this process ends. */
export async function releasePorts(cache: string, ports: Iterable<number>): Promise<void> {
  const file = join(cache, 'ports.json');
  const released = new Set([...ports].map(String));
  await withLock(`${file}.lock`, { timeoutMs: 5_000 }, () => {
    const kept = Object.entries(readJson(file, reservationsSchema) ?? {}).filter(
      ([port]) => !released.has(port),
    );
    writeAtomically(file, JSON.stringify(Object.fromEntries(kept)));
    return Promise.resolve();
  });
}
