import { OUTCOME_CODES } from '@bulk/domain';
import type { Database } from '@bulk/mongo';
import { renewFirstPositions, type Redis } from '@bulk/redis';

export interface FirstPositionRenewalOptions {
  readonly redis: Redis;
  /** Prefix of every key. */
  readonly prefix: string;
  /** Number of partitions of a lane. */
  readonly partitions: number;
  /**
   * Lifetime of first positions that are never released, in ms. Within it they are renewed four
   * times.
   */
  readonly lifetimeMs: number;
  /** Monotonic clock, in ms. */
  readonly monotonic: () => number;
  /** Stops a sweep between two rounds. */
  readonly signal: AbortSignal;
}

/** Maximum number of actions in one round. */
const ROUND = 500;
const RENEWALS = 4;
const DEAD_LETTERED = `codes.${OUTCOME_CODES.DEAD_LETTERED}` as const;

/**
 * Keeps the first positions of unfinished actions alive, whatever stops these actions.
 *
 * An action that is paused for months gets no batch that would renew them, and its later batches
 * name entities that its earlier ones have changed (G4). It is safe to run in every instance.
 */
export class FirstPositionRenewal {
  readonly #database: Database;
  readonly #options: FirstPositionRenewalOptions;
  /** Monotonic time of the start of the last complete sweep, in ms. */
  #renewedAt = Number.NEGATIVE_INFINITY;

  constructor(database: Database, options: FirstPositionRenewalOptions) {
    this.#database = database;
    this.#options = options;
  }

  /**
   * Renews the first positions of every unfinished action, if that is due.
   *
   * It is due at the start, and every quarter of the lifetime of first positions.
   *
   * @returns the number of actions.
   * @throws RedisError; the driver's error. The next call tries again.
   */
  async renewIfDue(): Promise<number> {
    const { lifetimeMs, monotonic } = this.#options;
    const startedAt = monotonic();
    if (startedAt - this.#renewedAt < lifetimeMs / RENEWALS) return 0;
    // The conditions match the index of first positions, which starts with the dead-lettered
    // positions.
    const renewed = (await this.#renew(null)) + (await this.#renew({ $gt: 0 }));
    this.#renewedAt = startedAt;
    return renewed;
  }

  async #renew(deadLettered: null | { readonly $gt: number }): Promise<number> {
    const { redis, prefix, partitions, lifetimeMs, signal } = this.#options;
    const unfinished = this.#database.actions.find(
      {
        'dispatch.firstPositions': true,
        [DEAD_LETTERED]: deadLettered,
        finishedAt: null,
        'dispatch.nextBatch': { $gt: 0 },
      },
      { projection: { _id: 1 }, batchSize: ROUND },
    );
    let renewed = 0;
    try {
      for (let ids: string[] = []; !signal.aborted; ids = []) {
        while (ids.length < ROUND) {
          const next = await unfinished.next();
          if (next === null) break;
          ids.push(next._id);
        }
        await renewFirstPositions(redis, prefix, ids, partitions, Math.ceil(lifetimeMs / 1_000));
        renewed += ids.length;
        if (ids.length < ROUND) break;
      }
    } finally {
      await unfinished.close();
    }
    return renewed;
  }
}
