import { setTimeout as sleep } from 'node:timers/promises';

// libs/kafka still imports these from here.
export { backoffDelay, type BackoffOptions } from '@bulk/domain';

/** Waits; ends early, without an error, when the signal aborts. */
export async function delay(ms: number, signal?: AbortSignal): Promise<void> {
  try {
    await sleep(ms, undefined, signal === undefined ? {} : { signal });
  } catch (error) {
    if (signal?.aborted !== true) throw error;
  }
}
