import { setTimeout as sleep } from 'node:timers/promises';

export interface EventuallyOptions {
  /** Deadline, in ms; default 30,000. */
  readonly timeoutMs?: number;
  /** Time between looks, in ms; default 50. */
  readonly everyMs?: number;
}

/**
 * Looks again and again until `look` neither throws nor gives undefined or false; gives what it gave.
 *
 * @throws what the last look threw, or an error naming `what`, when the deadline has passed.
 */
export async function eventually<T>(
  what: string,
  look: () => Promise<T> | T,
  { timeoutMs = 30_000, everyMs = 50 }: EventuallyOptions = {},
): Promise<Exclude<T, undefined | false>> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    let failure: unknown = new Error(`not within ${timeoutMs} ms: ${what}`);
    try {
      const found = await look();
      if (found !== undefined && found !== false) return found as Exclude<T, undefined | false>;
    } catch (error) {
      failure = error;
    }
    if (Date.now() >= deadline) throw failure;
    await sleep(everyMs);
  }
}
