import type { ReceivedMessage } from '@bulk/kafka';
import type { KnownActions } from '../accounting/known-actions.ts';

export interface CountingPaceOptions {
  readonly known: KnownActions;
  /** Minimum time between two counts of an action, in ms. */
  readonly intervalMs: number;
  /** Maximum number of messages of a chunk. A full chunk gains nothing from a wait. */
  readonly chunkSize: number;
  /** Returns the time of the monotonic clock, in ms. */
  readonly now: () => number;
}

/**
 * Number of batches without an outcome up to which an action is counted at once. So a small action,
 * and the end of a large one, never wait.
 */
const AT_ONCE = 32;

/**
 * Decides whether a chunk waits, so that results which arrive shortly after it are counted with it.
 *
 * A chunk costs the same two writes and one progress event per action, whatever its size. It waits
 * only if all of its results belong to actions that were counted less than an interval ago and have
 * many batches left. So a result waits at most one interval, and none of an idle action.
 */
export class CountingPace {
  readonly #options: CountingPaceOptions;

  constructor(options: CountingPaceOptions) {
    this.#options = options;
  }

  /** Returns how long a chunk should wait for further results, in ms; 0: not at all. */
  restMs(messages: readonly Pick<ReceivedMessage, 'key'>[]): number {
    const { intervalMs, chunkSize, now } = this.#options;
    if (intervalMs === 0 || messages.length >= chunkSize) return 0;
    const until = this.#dueAt(messages);
    return Math.max(0, Math.ceil(until - now()));
  }

  /** Returns when the first of the actions may be counted again. */
  #dueAt(messages: readonly Pick<ReceivedMessage, 'key'>[]): number {
    const { known, intervalMs } = this.#options;
    let dueAt = Infinity;
    // The key is the action. If it is wrong, the result is counted too early or an interval too late.
    for (const actionId of new Set(messages.map(({ key }) => key?.toString() ?? ''))) {
      const state = known.get(actionId);
      if (state === undefined) return 0;
      const { batchCount, countedBatches } = state.action;
      if (batchCount - countedBatches - messages.length <= AT_ONCE) return 0;
      dueAt = Math.min(dueAt, state.countedAt + intervalMs);
    }
    return dueAt;
  }
}
