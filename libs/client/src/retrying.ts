import { backoffDelay, CodedError, type BackoffOptions } from '@bulk/domain';
import { AbortedError, BulkApiError } from './errors.ts';

/** How an idempotent request is retried: exponential backoff with full jitter. */
export interface RetryOptions extends BackoffOptions {
  /** Maximum number of tries; 1 means no retry. @default 4 */
  readonly maxAttempts: number;
  /** Longest wait before the second try, in ms. @default 250 */
  readonly initialDelayMs: number;
  /** Longest wait before any try, in ms, in addition to the wait that the API requests. @default 5,000 */
  readonly maxDelayMs: number;
  /** Longest `Retry-After` that is waited for, in ms. After a longer one the error is thrown. @default 60,000 */
  readonly maxRetryAfterMs: number;
}

export const DEFAULT_RETRY: RetryOptions = {
  maxAttempts: 4,
  initialDelayMs: 250,
  maxDelayMs: 5_000,
  maxRetryAfterMs: 60_000,
};

/** Retries after retryable errors, a bounded number of times. */
export class Retrying {
  readonly #options: RetryOptions;
  readonly #random: () => number;

  /** @param random uniform in [0, 1). */
  constructor(options: RetryOptions, random: () => number) {
    this.#options = options;
    this.#random = random;
  }

  /**
   * Runs `attempt`, with retries. @throws the error of the last try; AbortedError if the signal ends the wait for the
   * next one.
   */
  async run<T>(attempt: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    for (let tries = 1; ; tries += 1) {
      try {
        return await attempt();
      } catch (error) {
        const wait = this.#waitAfter(error, tries);
        if (wait === undefined) throw error;
        await delay(wait, signal);
      }
    }
  }

  /** @returns the wait before the next try, in ms, or undefined if there is none. */
  #waitAfter(error: unknown, tries: number): number | undefined {
    const { maxAttempts, maxRetryAfterMs } = this.#options;
    if (!(error instanceof CodedError) || !error.retryable || tries >= maxAttempts) return undefined;
    const asked = error instanceof BulkApiError ? (error.retryAfterMs ?? 0) : 0;
    if (asked > maxRetryAfterMs) return undefined;
    // It adds a random wait to the requested one, so that clients with the same answer do not return together.
    return asked + backoffDelay(tries, this.#options, this.#random);
  }
}

function delay(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      clearTimeout(timer);
      reject(new AbortedError(signal?.reason));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', abort);
      resolve();
    }, ms);
    if (signal?.aborted === true) abort();
    else signal?.addEventListener('abort', abort, { once: true });
  });
}
