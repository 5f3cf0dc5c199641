import type { Lane } from '@bulk/domain';

/** What is known of a lane from the looks at it. */
interface Seen {
  readonly total: number;
  /** Monotonic time of this look, in ms. */
  readonly at: number;
  /** Monotonic time of the last sign that the lane moves, or of the first look, in ms. */
  readonly since: number;
  /** Whether `since` is the time of a sign. */
  readonly moved: boolean;
}

/** Part of the time after which batches are stale, for which a lane counts as moving after a sign of it. */
const MOVING_PART = 0.5;

/**
 * Decides how many of a lane's stale batches do not count against its limits.
 *
 * Batches without an outcome for long are stuck for good (nobody knows their positions), or handlers are unavailable. What is
 * stuck must not close a lane; but in an outage everything is stale, and publishing more would only lengthen the queue that
 * newcomers wait behind afterwards. So stale batches are left out while something else in the lane moves, which a fall of
 * the number in flight shows. While nothing moves, one is left out, and one more each time the same span has passed: if
 * the lane can move, that one shows it. In no case is more left out than the lane's limit.
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
      since: moves || known === undefined ? now : known.since,
      moved: moves || known?.moved === true,
    });
  }

  /** Number of stale batches in a lane that may be left out at most. @param limit of the lane, in batches. */
  leftOut(lane: Lane, limit: number, now: number): number {
    const seen = this.#lanes.get(lane);
    if (seen === undefined) return 0;
    const still = now - seen.since;
    if (seen.moved && still < this.#staleMs * MOVING_PART) return limit;
    return Math.min(limit, Math.max(1, Math.floor(still / this.#staleMs)));
  }
}
