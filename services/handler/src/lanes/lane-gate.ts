import { LANES, type Lane } from '@bulk/domain';
import { ConsumerStoppingError } from '@bulk/kafka';
import { delay } from '@bulk/runtime';
import { LaneShares, type LaneWeights } from './lane-shares.ts';

/** One of the places for batches that are processed at the same time. */
export interface Place {
  /**
   * Lends the place to others during `rest`, then waits for a place again.
   *
   * @throws ConsumerStoppingError if the gate closes; what `rest` throws.
   */
  lendDuring(rest: () => Promise<void>): Promise<void>;
}

export interface LaneGateOptions {
  /** Number of batches that are processed at the same time. */
  readonly permits: number;
  readonly weights: LaneWeights;
  /** Longest time between heartbeats of a waiting batch, in ms. */
  readonly heartbeatMs: number;
}

/** A batch that waits. Waiting → admitted, refused (the gate closed) or gone. */
class Waiting {
  admitted = false;
  readonly settled = new AbortController();
}

/**
 * Limits how many batches of all lanes are processed at the same time.
 *
 * If more batches wait, the lanes take turns by their weights, and within a lane the batches take
 * turns in their order of arrival. A partition's consumer waits here with one batch and continues
 * with the next only when that batch is done, so that the order of a partition does not change.
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
   * Runs `work` when it is this lane's turn.
   *
   * @param heartbeat called while the batch waits. If it rejects, because the partition is lost,
   * the wait ends with its error.
   * @throws ConsumerStoppingError if the gate closes before that; what `heartbeat` and `work`
   * throw.
   */
  async pass<T>(lane: Lane, heartbeat: () => Promise<void>, work: (place: Place) => Promise<T>): Promise<T> {
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
      return await work({ lendDuring });
    } finally {
      if (place.held) this.#leave();
    }
  }

  /** Admits no further batches. Those inside finish. */
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
    // The batch may have been admitted during the heartbeat.
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
