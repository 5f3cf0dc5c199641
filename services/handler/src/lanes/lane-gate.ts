import { LANES, type Lane } from '@bulk/domain';
import { ConsumerStoppingError } from '@bulk/kafka';
import { delay } from '@bulk/runtime';
import { LaneShares, type LaneWeights } from './lane-shares.ts';

/** A place among those that are processed. */
export interface Place {
  /**
   * Waits, while the place is another's, and then for a place again.
   *
   * @throws ConsumerStoppingError when the gate closes; what `rest` throws.
   */
  lendDuring(rest: () => Promise<void>): Promise<void>;
}

export interface LaneGateOptions {
  /** Batches that are processed at the same time. */
  readonly permits: number;
  readonly weights: LaneWeights;
  /** Longest time between heartbeats of one that waits, in ms. */
  readonly heartbeatMs: number;
}

/** One that waits. Waiting → admitted, refused (the gate closed) or gone. */
class Waiting {
  admitted = false;
  readonly settled = new AbortController();
}

/**
 * Lets so many batches of all lanes be processed at the same time, and where more wait, those of each lane by its weight;
 * of a lane in the order in which they came.
 *
 * A partition's consumer waits here with one batch and goes on to the next only when that is done, so that the order of a
 * partition does not change.
 */
export class LaneGate {
  readonly #options: LaneGateOptions;
  readonly #shares: LaneShares;
  readonly #waiting: Record<Lane, Waiting[]> = { high: [], normal: [], low: [] };
  #free: number;
  #closed = false;

  constructor(options: LaneGateOptions) {
    this.#options = options;
    this.#shares = new LaneShares(options.weights);
    this.#free = options.permits;
  }

  /**
   * Does `work` when it is this lane's turn.
   *
   * @param heartbeat is called while it waits; when it rejects (the partition is lost), the wait ends with that.
   * @throws ConsumerStoppingError when the gate closes before that; what `heartbeat` and `work` throw.
   */
  async pass(
    lane: Lane,
    heartbeat: () => Promise<void>,
    work: (place: Place) => Promise<void>,
  ): Promise<void> {
    await this.#enter(lane, heartbeat);
    const place = { held: true };
    const lendDuring = async (rest: () => Promise<void>): Promise<void> => {
      place.held = false;
      this.#leave();
      await rest();
      await this.#enter(lane, heartbeat);
      place.held = true;
    };
    try {
      await work({ lendDuring });
    } finally {
      if (place.held) this.#leave();
    }
  }

  /** Nobody is admitted any more; who is inside finishes. */
  close(): void {
    this.#closed = true;
    for (const lane of LANES) for (const one of this.#waiting[lane].splice(0)) one.settled.abort();
  }

  async #enter(lane: Lane, heartbeat: () => Promise<void>): Promise<void> {
    if (this.#closed) throw new ConsumerStoppingError();
    const queue = this.#waiting[lane];
    const one = new Waiting();
    if (queue.length === 0) this.#shares.begin(lane);
    queue.push(one);
    this.#admit();
    for (;;) {
      await delay(this.#options.heartbeatMs, one.settled.signal);
      if (one.settled.signal.aborted) break;
      try {
        await heartbeat();
      } catch (error) {
        this.#giveUp(queue, one);
        throw error;
      }
    }
    if (!one.admitted) throw new ConsumerStoppingError();
  }

  #giveUp(queue: Waiting[], one: Waiting): void {
    // It may have been admitted while the heartbeat was under way.
    if (one.admitted) this.#leave();
    else if (queue.includes(one)) queue.splice(queue.indexOf(one), 1);
  }

  #leave(): void {
    this.#free += 1;
    this.#admit();
  }

  #admit(): void {
    while (this.#free > 0) {
      const lane = this.#shares.next(LANES.filter((each) => this.#waiting[each].length > 0));
      const one = lane === undefined ? undefined : this.#waiting[lane].shift();
      if (lane === undefined || one === undefined) return;
      this.#shares.taken(lane);
      this.#free -= 1;
      one.admitted = true;
      one.settled.abort();
    }
  }
}
