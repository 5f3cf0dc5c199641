/**
 * Why a newer state replaced a state before it was sent: it was not due yet, or its client reads
 * too slowly.
 */
export type DropReason = 'interval' | 'slow_client';

/** Records what happens to the updates of subscriptions. Its functions never throw. */
export interface UpdateRecorder {
  dropped(reason: DropReason): void;
}
