import { LANES, type Lane } from '@bulk/domain';
import { LaneShares, type LaneWeights } from '@bulk/handler/lane-shares';
import type { Usage } from '../engine/usage.ts';

/** The places of one handler, given to its lanes by their weights, as `LaneGate` does. */
export class LanePlaces {
  readonly #usage: Usage;
  readonly #shares: LaneShares;
  readonly #waiting: Record<Lane, (() => void)[]> = { high: [], normal: [], low: [] };
  #free: number;

  constructor(usage: Usage, weights: LaneWeights) {
    this.#usage = usage;
    this.#free = usage.capacity;
    this.#shares = new LaneShares(weights);
  }

  /**
   * Resolves when it is the turn of the lane.
   *
   * @returns a function that gives the place back and charges the lane for its batches.
   */
  async enter(lane: Lane): Promise<(batches: number) => void> {
    const queue = this.#waiting[lane];
    if (queue.length === 0) this.#shares.begin(lane);
    const entered = new Promise<void>((resolve) => queue.push(resolve));
    this.#admit();
    await entered;
    return (batches) => {
      this.#shares.charge(lane, Math.max(1, batches) - 1);
      this.#usage.add(-1);
      this.#free += 1;
      this.#admit();
    };
  }

  #admit(): void {
    while (this.#free > 0) {
      const lane = this.#shares.next(LANES.filter((each) => this.#waiting[each].length > 0));
      const enter = lane === undefined ? undefined : this.#waiting[lane].shift();
      if (lane === undefined || enter === undefined) return;
      this.#shares.taken(lane);
      this.#free -= 1;
      this.#usage.add(1);
      enter();
    }
  }
}
