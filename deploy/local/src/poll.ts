import { setTimeout as delay } from 'node:timers/promises';
import { reasonOf } from './errors.ts';

export interface PollOptions {
  readonly timeoutMs: number;
  readonly intervalMs?: number;
  readonly signal?: AbortSignal | undefined;
}

/** The error of a poll that ended without success; its message is that of the last attempt. */
export class PollTimeout extends Error {
  override readonly name = 'PollTimeout';
}

/** Repeats `attempt` until it does not throw. It gives up at the deadline or when the signal aborts. */
export async function pollUntil<T>(attempt: () => Promise<T>, options: PollOptions): Promise<T> {
  const deadline = Date.now() + options.timeoutMs;
  for (;;) {
    options.signal?.throwIfAborted();
    try {
      return await attempt();
    } catch (error) {
      if (Date.now() >= deadline) throw new PollTimeout(reasonOf(error), { cause: error });
    }
    await delay(options.intervalMs ?? 100, undefined, { signal: options.signal });
  }
}

/** Limits the time of one attempt, for clients whose own time-outs do not cover every wait. */
export async function within<T>(timeoutMs: number, what: string, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const expiry = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: no answer within ${timeoutMs} ms`)), timeoutMs);
  });
  try {
    return await Promise.race([work, expiry]);
  } finally {
    clearTimeout(timer);
  }
}
