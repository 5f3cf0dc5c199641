import type { ActionUpdate } from '@bulk/contracts';
import { isFinal } from '@bulk/domain';
import { AbortedError, ActionEndedError, asError, CompletionTimeoutError } from './errors.ts';
import type { ProgressListener } from './progress-listener.ts';

export interface WaitOptions {
  /** Longest wait, in ms; default: none. */
  readonly timeoutMs?: number;
  readonly onProgress?: (update: ActionUpdate) => void;
  readonly signal?: AbortSignal;
}

/** The longest that a timer can wait. */
const MAX_TIMER_MS = 2_147_483_647;

/** The end of an action: resolves when it completed, rejects whatever else ends the wait; leaves nothing behind. */
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
    // Whoever else follows the action already may have brought its end before there was something to leave.
    if (hasEnded()) leave();

    function hasEnded(): boolean {
      return ended;
    }
  });
}
