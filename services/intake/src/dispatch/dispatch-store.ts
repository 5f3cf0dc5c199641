import type { BatchEntity } from '@bulk/contracts';
import { StoreError, type ActionDocument, type Database } from '@bulk/mongo';
import type { Document } from 'mongodb';

/** A batch that waits to be published. */
export interface StagedBatch {
  readonly batchNo: number;
  readonly partition: number;
  readonly entities: readonly BatchEntity[];
}

/** How far the dispatch of an action is, and who carries it out. All times are this process's. */
export class DispatchStore {
  readonly #database: Database;
  readonly #leaseMs: number;
  readonly #now: () => Date;

  constructor(database: Database, leaseMs: number, now: () => Date) {
    this.#database = database;
    this.#leaseMs = leaseMs;
    this.#now = now;
  }

  /**
   * Leases the oldest action that is due and that nobody dispatches.
   *
   * @param owner a name that no other claim has ever had: it fences `advance`.
   * @throws StoreError.
   */
  async claim(owner: string): Promise<ActionDocument | undefined> {
    const now = this.#now();
    return stored(
      this.#database.actions.findOneAndUpdate(
        {
          status: { $in: ['pending', 'queued', 'processing'] },
          'dispatch.done': false,
          $and: [
            { $or: [{ scheduledFor: null }, { scheduledFor: { $lte: now } }] },
            { $or: [{ 'dispatch.lease': null }, { 'dispatch.lease.until': { $lt: now } }] },
          ],
        },
        { $set: { 'dispatch.lease': { owner, until: this.#until(now) } } },
        { sort: { _id: 1 }, returnDocument: 'after' },
      ),
    );
  }

  /** The staged batches from `from` on, at most `count`, in order. @throws StoreError. */
  async readWindow(actionId: string, from: number, count: number): Promise<StagedBatch[]> {
    try {
      return await this.#database.stagedBatches
        .find({ actionId, batchNo: { $gte: from, $lt: from + count } }, { sort: { batchNo: 1 } })
        .toArray();
    } catch (error) {
      throw new StoreError(error);
    }
  }

  /**
   * Records that all batches below `nextBatch` are in Kafka and renews the lease; a pending action becomes queued.
   *
   * @returns whether the lease was still held; if not, someone else dispatches the action: stop.
   * @throws StoreError.
   */
  async advance(actionId: string, owner: string, nextBatch: number, done: boolean): Promise<boolean> {
    const now = this.#now();
    const lease = done ? null : { owner, until: this.#until(now) };
    const updated = await stored(
      this.#database.actions.findOneAndUpdate(
        { _id: actionId, 'dispatch.lease.owner': owner },
        advanced(nextBatch, done, lease, now),
        { projection: { _id: 1 } },
      ),
    );
    return updated !== undefined;
  }

  /** Hands an action back, so that any instance may go on with it at once. @throws StoreError. */
  async release(actionId: string, owner: string): Promise<void> {
    await stored(
      this.#database.actions.findOneAndUpdate(
        { _id: actionId, 'dispatch.lease.owner': owner },
        { $set: { 'dispatch.lease': null } },
        { projection: { _id: 1 } },
      ),
    );
  }

  #until(now: Date): Date {
    return new Date(now.getTime() + this.#leaseMs);
  }
}

/** A pipeline, since the first outcome may have come before and moved the status already. */
function advanced(nextBatch: number, done: boolean, lease: Document | null, now: Date): Document[] {
  const pending = { $eq: ['$status', 'pending'] };
  return [
    {
      $set: {
        'dispatch.nextBatch': nextBatch,
        'dispatch.done': done,
        'dispatch.lease': lease === null ? null : { $literal: lease },
        queuedAt: { $ifNull: ['$queuedAt', now] },
        version: { $cond: [pending, { $add: ['$version', 1] }, '$version'] },
        updatedAt: { $cond: [pending, now, '$updatedAt'] },
        status: { $cond: [pending, 'queued', '$status'] },
      },
    },
  ];
}

async function stored(operation: Promise<ActionDocument | null>): Promise<ActionDocument | undefined> {
  try {
    return (await operation) ?? undefined;
  } catch (error) {
    throw new StoreError(error);
  }
}
