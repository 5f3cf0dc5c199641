import type { Lane } from '@bulk/domain';

/** What is known of a lane from the looks at it. */
interface Seen {
  readonly total: number;
  /** Monotonic time of this look, in ms. */
  readonly at: number;
  /** Monotonic time of the last sign that the lane moves, or of the first look, in ms, and the total at that time. */
  readonly since: number;
  readonly totalThen: number;
  /** Whether `since` is the time of a sign. */
  readonly moved: boolean;
}

/** What of a lane's stale batches does not count. */
export interface Allowance {
  /** Whether batches of the lane get outcomes. */
  readonly moves: boolean;
  /** Stale batches that do not count against the limit of the lane, at most. */
  readonly leftOut: number;
}

/** Part of the time after which batches are stale, for which a lane counts as moving after a sign of it. */
const MOVING_PART = 0.5;

/**
 * Decides how many of a lane's stale batches do not count against its limit.
 *
 * Batches without an outcome for long are stuck for good (nobody knows their positions), or handlers are unavailable. What is
 * stuck must not close a lane; but in an outage everything is stale, and publishing more would only lengthen the queue that
 * newcomers wait behind afterwards. So stale batches are left out while something else in the lane moves, which a fall of
 * the number in flight shows, and no more of them than the lane's limit. While nothing moves, there is room for one more
 * batch for each span in which a batch becomes stale: if the lane can move, that batch shows it.
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
    // Nobody has looked for long: what is known is of no use any more.
    const known = before !== undefined && now - before.at < this.#staleMs ? before : undefined;
    const moves = known !== undefined && total < known.total;
    this.#lanes.set(lane, {
      total,
      at: now,
      ...(moves || known === undefined
        ? { since: now, totalThen: total, moved: moves }
        : { since: known.since, totalThen: known.totalThen, moved: known.moved }),
    });
  }

  /** @param limit of the lane, in batches. */
  allowance(lane: Lane, limit: number, now: number): Allowance {
    const seen = this.#lanes.get(lane);
    if (seen === undefined) return { moves: false, leftOut: 0 };
    const still = now - seen.since;
    if (seen.moved && still < this.#staleMs * MOVING_PART) return { moves: true, leftOut: limit };
    const more = Math.min(limit, Math.max(1, Math.floor(still / this.#staleMs)));
    return { moves: false, leftOut: Math.max(0, seen.totalThen - limit) + more };
  }
}
