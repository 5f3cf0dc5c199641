import { LANES, type Lane } from '@bulk/domain';

/** The number of batches of each lane, relative to the others, while all of them have work. */
export type LaneWeights = Readonly<Record<Lane, number>>;

/**
 * Shares turns among lanes by weight (stride scheduling, Waldspurger and Weihl, 1995).
 *
 * Each batch moves a lane forward by 1 / weight, and the lane that is furthest behind is next. So a
 * lane has its share over any stretch in which it waits, no lane waits for more than a round of the
 * others, and the others divide an unused share by their weights. A turn may process several
 * batches. Shares count batches and not turns, so a lane gains nothing from larger groups.
 */
export class LaneShares {
  readonly #weights: LaneWeights;
  readonly #position: Record<Lane, number> = { high: 0, normal: 0, low: 0 };
  /**
   * The position of the lane that had the last turn. A lane that returns after a rest starts here
   * and does not catch up.
   */
  #now = 0;

  /** @param weights all greater than zero. */
  constructor(weights: LaneWeights) {
    this.#weights = weights;
  }

  /** Records that a lane starts to wait. None of its batches waited before. */
  begin(lane: Lane): void {
    this.#position[lane] = Math.max(this.#position[lane], this.#now);
  }

  /**
   * Returns the waiting lane that is next. Among lanes at the same position, the most urgent is
   * next.
   */
  next(waiting: readonly Lane[]): Lane | undefined {
    let next: Lane | undefined;
    for (const lane of LANES) {
      if (!waiting.includes(lane)) continue;
      if (next === undefined || this.#position[lane] < this.#position[next]) next = lane;
    }
    return next;
  }

  /** Records that a lane gets a turn. It pays for one batch in advance. */
  taken(lane: Lane): void {
    this.#now = Math.max(this.#now, this.#position[lane]);
    this.charge(lane, 1);
  }

  /** Makes a lane pay for further batches of its turn. */
  charge(lane: Lane, batches: number): void {
    this.#position[lane] += batches / this.#weights[lane];
  }
}
