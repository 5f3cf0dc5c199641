import { LANES, type Lane } from '@bulk/domain';
import { ConsumerStoppingError, type Chunk } from '@bulk/kafka';
import { delay } from '@bulk/runtime';
import { LaneShares, type LaneWeights } from './lane-shares.ts';

/** The turn of a lane: one of the places for groups that are processed at the same time. */
export interface Turn {
  /** Records how many batches the turn tried. The lane pays for them. @default 1 */
  readonly took: (batches: number) => void;
}

export interface LaneGateOptions {
  /** Number of groups that are processed at the same time. */
  readonly permits: number;
  readonly weights: LaneWeights;
  /** Longest time between heartbeats of a waiting group, in ms. */
  readonly heartbeatMs: number;
  /** Time after which work counts as hanging and its permit goes to others, in ms. */
  readonly maxWorkMs: number;
}

/** A group that waits. Waiting → admitted, refused (the gate closed) or gone. */
class Waiting {
  admitted = false;
  readonly settled = new AbortController();
}

/**
 * Limits how many groups of batches of all lanes are processed at the same time.
 *
 * If more groups wait, the lanes take turns by their weights, and within a lane the groups take turns
 * in their order of arrival. A partition's consumer waits here with one group and continues with the
 * next only when that group is done, so that the order of a partition does not change.
 *
 * A place is for a group and not for a batch: the batches of a group share their requests, so a group
 * costs the stores about as many requests as a single batch. A turn pays for each batch that it
 * tries, so that the shares of the lanes count batches. A group that must wait for another try waits
 * outside and takes no place meanwhile.
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
   * @param group its `heartbeat` is called while it waits. If `heartbeat` rejects, because the
   * partition is lost, the wait ends with its error. The wait also ends when `ending` aborts.
   * @throws ConsumerStoppingError if `ending` aborts or the gate closes before that; what `heartbeat`
   * and `work` throw.
   */
  async pass<T>(
    lane: Lane,
    group: Pick<Chunk, 'heartbeat' | 'ending'>,
    work: (turn: Turn) => Promise<T>,
  ): Promise<T> {
    await this.#enter(lane, group);
    let tried = 1;
    const took = (batches: number): void => {
      tried = Math.max(1, batches);
    };
    let left = false;
    const leave = (): void => {
      if (left) return;
      left = true;
      this.#shares.charge(lane, tried - 1);
      this.#leave();
    };
    // Work that hangs must not keep its permit: its partition is given away and comes back.
    const timer = setTimeout(leave, this.#options.maxWorkMs).unref();
    try {
      return await work({ took });
    } finally {
      clearTimeout(timer);
      leave();
    }
  }

  /** Admits no further groups. Those inside finish. */
  close(): void {
    this.#closed = true;
    for (const lane of LANES) for (const one of this.#waiting[lane].splice(0)) one.settled.abort();
  }

  async #enter(lane: Lane, { heartbeat, ending }: Pick<Chunk, 'heartbeat' | 'ending'>): Promise<void> {
    if (this.#closed || ending.aborted) throw new ConsumerStoppingError();
    const queue = this.#waiting[lane];
    const one = new Waiting();
    if (queue.length === 0) this.#shares.begin(lane);
    queue.push(one);
    this.#admit();
    const onEnding = (): void => {
      if (queue.includes(one)) queue.splice(queue.indexOf(one), 1);
      one.settled.abort();
    };
    ending.addEventListener('abort', onEnding, { once: true });
    try {
      for (;;) {
        await delay(this.#options.heartbeatMs, one.settled.signal);
        if (one.settled.signal.aborted) break;
        await heartbeat();
      }
    } catch (error) {
      this.#giveUp(queue, one);
      throw error;
    } finally {
      ending.removeEventListener('abort', onEnding);
    }
    if (!one.admitted) throw new ConsumerStoppingError();
  }

  #giveUp(queue: Waiting[], one: Waiting): void {
    // The group may have been admitted during the heartbeat.
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
