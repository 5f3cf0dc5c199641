import { backoffDelay, CodedError, type BackoffOptions } from '@bulk/domain';
import { AbortedError, BulkApiError } from './errors.ts';

/** How a request that is safe to repeat is repeated: exponential backoff with full jitter. */
export interface RetryOptions extends BackoffOptions {
  /** Tries in all; 1: no repetition; default 4. */
  readonly maxAttempts: number;
  /** Longest wait before the second try, in ms; default 250. */
  readonly initialDelayMs: number;
  /** Longest wait before any try, in ms, but for what the API asks for; default 5,000. */
  readonly maxDelayMs: number;
  /** A `Retry-After` beyond this is not waited for: the error is thrown, in ms; default 60,000. */
  readonly maxRetryAfterMs: number;
}

export const DEFAULT_RETRY: RetryOptions = {
  maxAttempts: 4,
  initialDelayMs: 250,
  maxDelayMs: 5_000,
  maxRetryAfterMs: 60_000,
};

/** Tries again what failed with a retryable error, a bounded number of times. */
export class Retrying {
  readonly #options: RetryOptions;
  readonly #random: () => number;

  /** @param random uniform in [0, 1). */
  constructor(options: RetryOptions, random: () => number) {
    this.#options = options;
    this.#random = random;
  }

  /** @throws what the last try threw; AbortedError when the signal ends the wait for the next one. */
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

  /** @returns how long to wait for the next try, in ms, or undefined for none. */
  #waitAfter(error: unknown, tries: number): number | undefined {
    const { maxAttempts, maxRetryAfterMs } = this.#options;
    if (!(error instanceof CodedError) || !error.retryable || tries >= maxAttempts) return undefined;
    const asked = error instanceof BulkApiError ? (error.retryAfterMs ?? 0) : 0;
    if (asked > maxRetryAfterMs) return undefined;
    // Later than asked by some: not all who were told the same come back together.
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
