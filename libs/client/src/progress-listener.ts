import type { ActionUpdate } from '@bulk/contracts';

/** Who follows an action, or all of the account. After `failed` it hears nothing more. */
export interface ProgressListener {
  subscribed(): void;
  updated(update: ActionUpdate): void;
  failed(error: unknown): void;
}

/** A listener that throws hears of it and, having left, of nothing else; the others are not disturbed. */
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
