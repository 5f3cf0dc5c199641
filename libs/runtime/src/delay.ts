import { setTimeout as sleep } from 'node:timers/promises';

// libs/kafka still imports these from here.
export { backoffDelay, type BackoffOptions } from '@bulk/domain';

/** Waits for `ms` milliseconds. If the signal aborts, it ends early, without an error. */
export async function delay(ms: number, signal?: AbortSignal): Promise<void> {
  try {
    await sleep(ms, undefined, signal === undefined ? {} : { signal });
  } catch (error) {
    if (signal?.aborted !== true) throw error;
  }
}
