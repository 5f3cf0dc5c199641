import { setTimeout as sleep } from 'node:timers/promises';
import { noJitterGenerator } from 'cockatiel';

/** Waits; ends early, without an error, when the signal aborts. */
export async function delay(ms: number, signal?: AbortSignal): Promise<void> {
  try {
    await sleep(ms, undefined, signal === undefined ? {} : { signal });
  } catch (error) {
    if (signal?.aborted !== true) throw error;
  }
}

/** Exponential backoff with full jitter. */
export interface BackoffOptions {
  readonly initialDelayMs: number;
  readonly maxDelayMs: number;
}

/**
 * How long to wait before try number `attempt + 1`: uniformly between 0 and `initialDelayMs × 2^(attempt - 1)`, capped.
 * Full jitter spreads a crowd that failed together (M. Brooker, "Exponential Backoff And Jitter", AWS, 2015).
 *
 * The ceiling is cockatiel's. Its generators are functions of the number of tries, so no state is kept between calls: the
 * number may come from a message or a document of another process, which an `ExponentialBackoff` object could not continue.
 * Its `fullJitterGenerator` is this very product with `Math.random` built in; ours takes its chance from outside.
 *
 * @param attempt tries made so far, from 1.
 * @param random uniform in [0, 1).
 */
export function backoffDelay(
  attempt: number,
  options: BackoffOptions,
  random: () => number = Math.random,
): number {
  const [ceiling] = noJitterGenerator(attempt - 1, {
    generator: noJitterGenerator,
    initialDelay: options.initialDelayMs,
    maxDelay: options.maxDelayMs,
    exponent: 2,
  });
  return Math.round(ceiling * random());
}
