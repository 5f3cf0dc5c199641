import type { ActionUpdate } from '@bulk/contracts';

/** A follower of an action, or of all actions of the account. After `failed` it gets nothing more. */
export interface ProgressListener {
  subscribed(): void;
  updated(update: ActionUpdate): void;
  failed(error: unknown): void;
}

/**
 * Calls each listener. A listener that throws is removed and gets its error, and nothing else. The others are not
 * affected.
 */
export function tell(
  listeners: Iterable<ProgressListener>,
  call: (listener: ProgressListener) => void,
  leave: (listener: ProgressListener) => void,
): void {
  for (const listener of [...listeners]) {
    try {
      call(listener);
    } catch (error) {
      leave(listener);
      listener.failed(error);
    }
  }
}
