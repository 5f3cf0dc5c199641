import { LANES, type Lane } from '@bulk/domain';

/** How many turns each lane has, beside the others, while all of them have work. */
export type LaneWeights = Readonly<Record<Lane, number>>;

/**
 * Shares turns among lanes by weight (stride scheduling, Waldspurger and Weihl, 1995): each turn moves a lane on by
 * 1 / weight, and the one that is furthest behind is next. So a lane has its share over any stretch in which it waits,
 * none waits for more than a round of the others, and what a lane does not use goes to the others by their weights.
 */
export class LaneShares {
  readonly #weights: LaneWeights;
  readonly #position: Record<Lane, number> = { high: 0, normal: 0, low: 0 };
  /** Where the lane of the last turn stood: who comes after a rest begins there, and does not catch up on it. */
  #now = 0;

  /** @param weights greater than zero. */
  constructor(weights: LaneWeights) {
    this.#weights = weights;
  }

  /** The lane begins to wait: none of it waited before. */
  begin(lane: Lane): void {
    this.#position[lane] = Math.max(this.#position[lane], this.#now);
  }

  /** Which of the waiting lanes is next; of those that are level, the most urgent. */
  next(waiting: readonly Lane[]): Lane | undefined {
    let next: Lane | undefined;
    for (const lane of LANES) {
      if (!waiting.includes(lane)) continue;
      if (next === undefined || this.#position[lane] < this.#position[next]) next = lane;
    }
    return next;
  }

  /** The lane has had a turn. */
  taken(lane: Lane): void {
    this.#now = Math.max(this.#now, this.#position[lane]);
    this.#position[lane] += 1 / this.#weights[lane];
  }
}
