import { OUTCOME_CODES } from '@bulk/domain';
import type { ActionDocument, Database } from '@bulk/mongo';
import { releaseFirstPositions, type Redis } from '@bulk/redis';
import type { Filter } from 'mongodb';

export interface FirstPositionReleaseOptions {
  readonly redis: Redis;
  /** Prefix of every key. */
  readonly prefix: string;
  /** Number of partitions of a lane. */
  readonly partitions: number;
  /**
   * How long first positions stay after the end of their action, in ms. Longer than handlers rely
   * on them.
   */
  readonly releaseAfterMs: number;
  /** Lifetime of first positions that are never released, in ms. */
  readonly forgottenAfterMs: number;
  readonly now: () => Date;
  /** Stops a sweep between two rounds. */
  readonly signal: AbortSignal;
}

/** Maximum number of actions in one round. */
const ROUND = 500;
const DEAD_LETTERED = `codes.${OUTCOME_CODES.DEAD_LETTERED}` as const;

/**
 * Removes the first positions of ended actions from Redis, so that its memory is proportional to
 * unfinished work.
 *
 * It is safe to run in every instance. An action with dead-lettered positions keeps its first
 * positions, because a replay needs them to recognise duplicates (G4). It is released once replays
 * have succeeded, or after the lifetime of first positions.
 */
export class FirstPositionRelease {
  readonly #database: Database;
  readonly #options: FirstPositionReleaseOptions;

  constructor(database: Database, options: FirstPositionReleaseOptions) {
    this.#database = database;
    this.#options = options;
  }

  /**
   * Releases every action that is due, round by round.
   *
   * @returns the number of actions released.
   * @throws RedisError; the driver's error. What is not released stays due for the next sweep.
   */
  async sweep(): Promise<number> {
    const { releaseAfterMs, forgottenAfterMs, now } = this.#options;
    const time = now().getTime();
    const released = { $lt: new Date(time - releaseAfterMs) };
    const forgotten = { $lt: new Date(time - forgottenAfterMs) };
    return (
      // `updatedAt` matters because a replay is counted after the end of its action.
      (await this.#release({ [DEAD_LETTERED]: null, finishedAt: released, updatedAt: released })) +
      (await this.#release({ [DEAD_LETTERED]: { $gt: 0 }, finishedAt: forgotten, updatedAt: forgotten }))
    );
  }

  async #release(due: Filter<ActionDocument>): Promise<number> {
    const { redis, prefix, partitions, signal } = this.#options;
    const { actions } = this.#database;
    for (let released = 0; ;) {
      const found = await actions
        .find({ 'dispatch.firstPositions': true, ...due }, { projection: { _id: 1 }, limit: ROUND })
        .toArray();
      const ids = found.map(({ _id }) => _id);
      if (ids.length > 0) {
        await releaseFirstPositions(redis, prefix, ids, partitions);
        await actions.updateMany({ _id: { $in: ids } }, { $unset: { 'dispatch.firstPositions': '' } });
      }
      released += ids.length;
      if (ids.length < ROUND || signal.aborted) return released;
    }
  }
}
