import type { Lane } from '@bulk/domain';
import { ROUNDING } from './batch-weight.ts';

/** What the looks at a lane have shown. */
interface Seen {
  readonly total: number;
  /** Monotonic time of the last look, in ms. */
  readonly at: number;
  /**
   * Monotonic time of the last sign that the lane moves, or of the first look, in ms. `totalThen`
   * is the total in flight at that time.
   */
  readonly since: number;
  readonly totalThen: number;
  /** Whether `since` is the time of a sign. */
  readonly moved: boolean;
}

/** Which of a lane's stale batches do not count. */
export interface Allowance {
  /** Whether batches of the lane get outcomes. */
  readonly moves: boolean;
  /** Maximum number of stale batches that do not count against the limit of the lane. */
  readonly leftOut: number;
}

/**
 * How long a lane counts as moving after a sign of movement, as a part of the time after which
 * batches are stale.
 */
const MOVING_PART = 0.5;

/**
 * Decides how many of a lane's stale batches do not count against the lane's limit.
 *
 * A batch without an outcome for long is either stuck for good, because its positions are unknown,
 * or waits for an unavailable handler. Stuck batches must not close a lane. But in an outage every
 * batch is stale, and publishing more would only lengthen the queue for newcomers after the outage.
 * So stale batches do not count while something else in the lane moves, which a fall of the number
 * in flight shows, and never more of them than the lane's limit. While nothing moves, there is room
 * for one more batch per span in which a batch becomes stale: if the lane can move, that batch
 * shows it.
 */
export class StaleBatches {
  readonly #staleMs: number;
  readonly #lanes = new Map<Lane, Seen>();

  /** @param staleMs time without an outcome after which a batch is stale, in ms. */
  constructor(staleMs: number) {
    this.#staleMs = staleMs;
  }

  /** Records the number of batches in flight in a lane at this monotonic time, in ms. */
  note(lane: Lane, total: number, now: number): void {
    const before = this.#lanes.get(lane);
    // The last look was so long ago that its result is of no use any more.
    const known = before !== undefined && now - before.at < this.#staleMs ? before : undefined;
    const moves = known !== undefined && total < known.total - ROUNDING;
    this.#lanes.set(lane, {
      total,
      at: now,
      ...(moves || known === undefined
        ? { since: now, totalThen: total, moved: moves }
        : { since: known.since, totalThen: known.totalThen, moved: known.moved }),
    });
  }

  /**
   * Returns which stale batches do not count.
   *
   * @param limit maximum number of batches in flight in the lane.
   */
  allowance(lane: Lane, limit: number, now: number): Allowance {
    const seen = this.#lanes.get(lane);
    if (seen === undefined) return { moves: false, leftOut: 0 };
    const still = now - seen.since;
    if (seen.moved && still < this.#staleMs * MOVING_PART) return { moves: true, leftOut: limit };
    const more = Math.min(limit, Math.max(1, Math.floor(still / this.#staleMs)));
    return { moves: false, leftOut: Math.max(0, seen.totalThen - limit) + more };
  }
}
