import type { ActionUpdate } from '@bulk/contracts';
import { isFinal } from '@bulk/domain';
import { AbortedError, ActionEndedError, asError, CompletionTimeoutError } from './errors.ts';
import type { ProgressListener } from './progress-listener.ts';

export interface WaitOptions {
  /** Maximum wait in ms. @default none */
  readonly timeoutMs?: number;
  readonly onProgress?: (update: ActionUpdate) => void;
  readonly signal?: AbortSignal;
}

/** The longest time of a timer, in ms. */
const MAX_TIMER_MS = 2_147_483_647;

/**
 * Waits for the end of an action. Resolves if the action completed, rejects if anything else ends the wait, and leaves
 * nothing behind.
 */
export function completionOf(
  actionId: string,
  follow: (listener: ProgressListener) => () => void,
  { timeoutMs, onProgress, signal }: WaitOptions,
): Promise<ActionUpdate> {
  return new Promise((resolve, reject) => {
    const cleanups: (() => void)[] = [];
    let ended = false;
    const end = (settle: () => void): void => {
      if (ended) return;
      ended = true;
      for (const cleanup of cleanups) cleanup();
      settle();
    };
    const fail = (error: unknown): void => end(() => reject(asError(error)));
    const onAbort = (): void => fail(new AbortedError(signal?.reason));
    if (signal?.aborted === true) {
      onAbort();
      return;
    }
    signal?.addEventListener('abort', onAbort, { once: true });
    cleanups.push(() => signal?.removeEventListener('abort', onAbort));
    if (timeoutMs !== undefined) {
      const expire = (): void => fail(new CompletionTimeoutError(actionId, timeoutMs));
      const timer = setTimeout(expire, Math.min(timeoutMs, MAX_TIMER_MS));
      cleanups.push(() => clearTimeout(timer));
    }
    const leave = follow({
      subscribed: () => undefined,
      failed: fail,
      updated: (update) => {
        if (ended) return;
        onProgress?.(update);
        if (update.status === 'completed') end(() => resolve(update));
        else if (isFinal(update.status)) fail(new ActionEndedError(update));
      },
    });
    cleanups.push(leave);
    // Another follower of the action may have reported its end before `leave` was assigned.
    if (hasEnded()) leave();

    function hasEnded(): boolean {
      return ended;
    }
  });
}
