import type { EachBatchPayload } from 'kafkajs';

/** Longest time of a timer of Node; what is paused for longer is looked at, and paused again, in between. */
const MAX_TIMER_MS = 2_147_483_647;

/** Partitions that are not fetched for a while; kafkajs goes on sending heartbeats for the member. */
export class PartitionPauses {
  readonly #timers = new Set<NodeJS.Timeout>();

  /** Pauses the partition of `payload` for `ms`; what is not resolved of it is fetched again afterwards. */
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

  /** Forgets all; for the end of the consumer. */
  clear(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }
}
