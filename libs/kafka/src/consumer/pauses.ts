import type { EachBatchPayload } from 'kafkajs';

/**
 * Longest timer of Node, in ms. A longer pause ends early; the consumer then finds the message not due and pauses
 * again.
 */
const MAX_TIMER_MS = 2_147_483_647;

/** Pauses partitions for a time. Meanwhile kafkajs continues to send heartbeats for the member. */
export class PartitionPauses {
  readonly #timers = new Set<NodeJS.Timeout>();

  /** Pauses the partition of `payload` for `ms`. Messages that are not resolved are fetched again afterwards. */
  pauseFor(payload: Pick<EachBatchPayload, 'pause'>, ms: number): void {
    const resume = payload.pause();
    const timer = setTimeout(
      () => {
        this.#timers.delete(timer);
        resume();
      },
      Math.min(ms, MAX_TIMER_MS),
    );
    this.#timers.add(timer);
  }

  /** Cancels all timers, when the consumer stops. */
  clear(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }
}
