import { setTimeout as sleep } from 'node:timers/promises';

export interface EventuallyOptions {
  /** Deadline, in ms. @default 30,000 */
  readonly timeoutMs?: number;
  /** Time between two tries, in ms. @default 50 */
  readonly everyMs?: number;
}

/**
 * Repeats `look` until it neither throws nor returns undefined or false, and returns its result.
 *
 * @throws the error of the last try, or an error naming `what`, when the deadline has passed.
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
