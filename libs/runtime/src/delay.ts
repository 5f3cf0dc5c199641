import { setTimeout as sleep } from 'node:timers/promises';

// libs/kafka still imports these from here.
export { backoffDelay, type BackoffOptions } from '@bulk/domain';

/** Waits until `work` is settled, at most `ms` milliseconds, or until the signal aborts. @throws the error of `work`. */
export async function settledWithin(ms: number, work: Promise<unknown>, signal?: AbortSignal): Promise<void> {
  const over = new AbortController();
  const either = signal === undefined ? over.signal : AbortSignal.any([over.signal, signal]);
  try {
    await Promise.race([work, delay(ms, either)]);
  } finally {
    over.abort();
  }
}

/** Returns the result of `work`, or `undefined` as soon as the signal aborts. @throws the error of `work`. */
export async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  let onAbort = (): void => undefined;
  const aborted = new Promise<undefined>((resolve) => {
    onAbort = () => resolve(undefined);
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/** Waits for `ms` milliseconds. If the signal aborts, it ends early, without an error. */
export async function delay(ms: number, signal?: AbortSignal): Promise<void> {
  try {
    await sleep(ms, undefined, signal === undefined ? {} : { signal });
  } catch (error) {
    if (signal?.aborted !== true) throw error;
  }
}
