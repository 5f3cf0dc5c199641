import type { Database } from '@bulk/mongo';
import type { Logger } from '@bulk/runtime';

export interface JanitorOptions {
  /** An upload without progress for this long is broken off. */
  readonly stagingTimeoutMs: number;
  /** How long an action's batches are kept after its end. */
  readonly stagedRetentionMs: number;
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

  async #removeBrokenUploads(): Promise<number> {
    const now = this.#options.now();
    const stale = new Date(now.getTime() - this.#options.stagingTimeoutMs);
    for (let removed = 0; removed < ROUND; removed += 1) {
      // The lease shuts the door to acceptance before anything is deleted; the new time keeps other janitors away.
      const claimed = await this.#database.actions.findOneAndUpdate(
        { status: 'staging', updatedAt: { $lt: stale } },
        { $set: { 'dispatch.lease': { owner: 'janitor', until: now }, updatedAt: now } },
        { projection: { _id: 1 } },
      );
      if (claimed === null) return removed;
      await this.#database.stagedBatches.deleteMany({ actionId: claimed._id });
      await this.#database.actions.deleteOne({ _id: claimed._id, status: 'staging' });
      this.#log.info({ actionId: claimed._id }, 'removed a broken-off upload');
    }
    return ROUND;
  }

  async #removeStagedOfEnded(): Promise<number> {
    const before = new Date(this.#options.now().getTime() - this.#options.stagedRetentionMs);
    const ended = await this.#database.actions
      .find(
        {
          status: { $in: ['completed', 'failed', 'cancelled'] },
          'dispatch.done': true,
          'dispatch.purged': { $ne: true },
          finishedAt: { $lt: before },
        },
        { projection: { _id: 1 }, limit: ROUND },
      )
      .toArray();
    for (const { _id } of ended) {
      await this.#database.stagedBatches.deleteMany({ actionId: _id });
      await this.#database.actions.updateOne({ _id }, { $set: { 'dispatch.purged': true } });
    }
    return ended.length;
  }
}
