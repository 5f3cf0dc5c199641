/** Options of exponential backoff with full jitter. */
export interface BackoffOptions {
  readonly initialDelayMs: number;
  readonly maxDelayMs: number;
}

/** Number of doublings after which every ceiling is the longest delay. More would overflow. */
const MAX_DOUBLINGS = 40;

/**
 * Returns the longest wait before try number `attempt + 1`, in ms: `initialDelayMs × 2^(attempt - 1)`, capped.
 *
 * @param attempt number of tries so far, from 1.
 */
export function backoffCeiling(attempt: number, { initialDelayMs, maxDelayMs }: BackoffOptions): number {
  return Math.min(maxDelayMs, initialDelayMs * 2 ** Math.min(attempt - 1, MAX_DOUBLINGS));
}

/**
 * Returns the wait before try number `attempt + 1`, in ms: uniformly between 0 and the ceiling. Full jitter spreads
 * clients that failed together (M. Brooker, "Exponential Backoff And Jitter", AWS, 2015).
 *
 * No state is kept between calls, so the number of tries may come from a message or a document of another process.
 *
 * @param attempt number of tries so far, from 1.
 * @param random uniform in [0, 1).
 */
export function backoffDelay(
  attempt: number,
  options: BackoffOptions,
  random: () => number = Math.random,
): number {
  return Math.round(backoffCeiling(attempt, options) * random());
}
