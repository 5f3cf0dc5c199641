import type { Database } from '@bulk/mongo';
import type { Logger } from '@bulk/runtime';
import { removeStagedBatches } from './removal.ts';

export interface JanitorOptions {
  /** An upload without progress for this long is broken off. */
  readonly stagingTimeoutMs: number;
  /** How long an action's batches are kept after its end. */
  readonly stagedRetentionMs: number;
  /** How long a write of a broken-off upload may still arrive at MongoDB, in ms. */
  readonly lateWriteMs: number;
  readonly now: () => Date;
}

/** Actions that one round looks at, at most. */
const ROUND = 20;

/** Removes what broken-off uploads left, and the batches of actions that ended long ago. Safe to run in every instance. */
export class Janitor {
  readonly #database: Database;
  readonly #options: JanitorOptions;
  readonly #log: Logger;

  constructor(database: Database, options: JanitorOptions, log: Logger) {
    this.#database = database;
    this.#options = options;
    this.#log = log;
  }

  /** One round. @returns how many actions were cleaned up. */
  async sweep(): Promise<{ broken: number; ended: number }> {
    return { broken: await this.#removeBrokenUploads(), ended: await this.#removeStagedOfEnded() };
  }

  /**
   * Two steps. The claim shuts the door to acceptance: an upload that is slow and not dead fails at its next write. The
   * removal comes when a write that had passed the door before must have arrived, so that none is left behind.
   */
  async #removeBrokenUploads(): Promise<number> {
    const now = this.#options.now();
    const stale = new Date(now.getTime() - this.#options.stagingTimeoutMs);
    const until = new Date(now.getTime() + this.#options.lateWriteMs);
    await this.#database.actions.updateMany(
      { status: 'staging', 'dispatch.lease': null, updatedAt: { $lt: stale } },
      { $set: { 'dispatch.lease': { owner: 'janitor', until } } },
    );
    const claimed = await this.#database.actions
      .find(
        { status: 'staging', 'dispatch.lease.until': { $lte: now } },
        { projection: { _id: 1 }, limit: ROUND },
      )
      .toArray();
    for (const { _id } of claimed) {
      await removeStagedBatches(this.#database, _id);
      await this.#database.actions.deleteOne({ _id, status: 'staging' });
      this.#log.info({ actionId: _id }, 'removed a broken-off upload');
    }
    return claimed.length;
  }

  async #removeStagedOfEnded(): Promise<number> {
    const before = new Date(this.#options.now().getTime() - this.#options.stagedRetentionMs);
    const ended = await this.#database.actions
      .find(
        {
          status: { $in: ['completed', 'failed', 'cancelled'] },
          'dispatch.purged': null,
          finishedAt: { $lt: before },
        },
        { projection: { _id: 1 }, limit: ROUND },
      )
      .toArray();
    for (const { _id } of ended) {
      await removeStagedBatches(this.#database, _id);
      await this.#database.actions.updateOne({ _id }, { $set: { 'dispatch.purged': true } });
    }
    return ended.length;
  }
}
