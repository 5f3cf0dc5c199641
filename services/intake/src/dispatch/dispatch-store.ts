import type { BatchEntity } from '@bulk/contracts';
import { stored, StoreError, type ActionDocument, type Database, type StoredStatus } from '@bulk/mongo';
import type { Document } from 'mongodb';

/** A batch that waits to be published. */
export interface StagedBatch {
  readonly batchNo: number;
  readonly partition: number;
  readonly entities: readonly BatchEntity[];
}

/** What of a window is read at once, at most; the first batch is always read. */
export interface WindowLimits {
  readonly batches: number;
  /** Bytes of the entities. */
  readonly bytes: number;
}

/** How an action stands, as far as its dispatch is concerned. */
export interface DispatchProgress {
  /** Who has the lease; null: nobody. */
  readonly owner: string | null;
  /** Whether its batches are to be published: it is neither paused nor ended. */
  readonly open: boolean;
  /** Whether it is cancelled, so that what is published from now on is skipped. */
  readonly cancelled: boolean;
  /** Batches whose outcomes are counted. */
  readonly countedBatches: number;
}

const PROGRESS = { status: 1, cancelRequestedAt: 1, countedBatches: 1, 'dispatch.lease': 1 } as const;

/** Statuses in which an action's batches are published. */
const DISPATCHED: readonly StoredStatus[] = ['pending', 'queued', 'processing'];

/** Staged batches that the driver fetches at a time: bounds what is read beyond the end of a window. */
const FETCH = 10;

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
   * Leases the oldest action that is due and that nobody dispatches. A cancelled one is due whatever it was scheduled for.
   *
   * @param owner a name that no other claim has ever had: it fences `advance`.
   * @throws StoreError.
   */
  async claim(owner: string): Promise<ActionDocument | undefined> {
    const now = this.#now();
    const claimed = await stored(
      this.#database.actions.findOneAndUpdate(
        {
          status: { $in: [...DISPATCHED] },
          'dispatch.done': false,
          $and: [
            {
              $or: [
                { scheduledFor: null },
                { scheduledFor: { $lte: now } },
                { cancelRequestedAt: { $ne: null } },
              ],
            },
            { $or: [{ 'dispatch.lease': null }, { 'dispatch.lease.until': { $lt: now } }] },
          ],
        },
        { $set: { 'dispatch.lease': { owner, until: this.#in(this.#leaseMs, now) } } },
        { sort: { _id: 1 }, returnDocument: 'after' },
      ),
    );
    return claimed ?? undefined;
  }

  /** How those of the actions stand that exist. @throws StoreError. */
  async look(actionIds: readonly string[]): Promise<Map<string, DispatchProgress>> {
    const found = await stored(
      this.#database.actions.find({ _id: { $in: [...actionIds] } }, { projection: PROGRESS }).toArray(),
    );
    return new Map(found.map((action) => [action._id, progressOf(action)]));
  }

  /** The staged batches from `from` on, in order, within the limits. @throws StoreError. */
  async readWindow(actionId: string, from: number, limits: WindowLimits): Promise<StagedBatch[]> {
    const window: StagedBatch[] = [];
    let bytes = 0;
    try {
      const cursor = this.#database.stagedBatches.find(
        { actionId, batchNo: { $gte: from, $lt: from + limits.batches } },
        { sort: { batchNo: 1 }, batchSize: Math.min(FETCH, limits.batches) },
      );
      for await (const batch of cursor) {
        bytes += bytesOf(batch);
        if (window.length > 0 && bytes > limits.bytes) break;
        window.push(batch);
      }
      return window;
    } catch (error) {
      throw new StoreError(error);
    }
  }

  /**
   * Records that all batches below `nextBatch` are in Kafka and renews the lease; a pending action becomes queued.
   *
   * @returns the action afterwards; undefined where someone else has the lease: this is not the one to go on.
   * @throws StoreError.
   */
  async advance(
    actionId: string,
    owner: string,
    nextBatch: number,
    done: boolean,
  ): Promise<ActionDocument | undefined> {
    const now = this.#now();
    const lease = done ? null : { owner, until: this.#in(this.#leaseMs, now) };
    const updated = await stored(
      this.#database.actions.findOneAndUpdate(
        { _id: actionId, 'dispatch.lease.owner': owner },
        advanced(nextBatch, done, lease, now),
        { returnDocument: 'after' },
      ),
    );
    return updated ?? undefined;
  }

  /** Keeps the lease. @returns whether it was still held. @throws StoreError. */
  renew(actionId: string, owner: string): Promise<boolean> {
    return this.#setLease(actionId, owner, { owner, until: this.#in(this.#leaseMs) });
  }

  /** Hands an action back, so that any instance may go on with it at once. @throws StoreError. */
  async release(actionId: string, owner: string): Promise<void> {
    await this.#setLease(actionId, owner, null);
  }

  /** Hands an action back that failed: nobody tries it again before `delayMs` have passed. @throws StoreError. */
  async postpone(actionId: string, owner: string, delayMs: number): Promise<void> {
    await this.#setLease(actionId, owner, { owner: `${owner}/postponed`, until: this.#in(delayMs) });
  }

  async #setLease(
    actionId: string,
    owner: string,
    lease: { readonly owner: string; readonly until: Date } | null,
  ): Promise<boolean> {
    const updated = await stored(
      this.#database.actions.findOneAndUpdate(
        { _id: actionId, 'dispatch.lease.owner': owner },
        { $set: { 'dispatch.lease': lease } },
        { projection: { _id: 1 } },
      ),
    );
    return updated !== null;
  }

  #in(ms: number, now: Date = this.#now()): Date {
    return new Date(now.getTime() + ms);
  }
}

function bytesOf({ entities }: StagedBatch): number {
  return entities.reduce(
    (sum, { id, ref, fields }) =>
      sum + Buffer.byteLength(fields) + Buffer.byteLength(id) + Buffer.byteLength(ref ?? ''),
    0,
  );
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

/** What the dispatch has to know of an action's document. */
export function progressOf(
  action: Pick<ActionDocument, 'status' | 'cancelRequestedAt' | 'countedBatches' | 'dispatch'>,
): DispatchProgress {
  return {
    owner: action.dispatch.lease?.owner ?? null,
    open: DISPATCHED.includes(action.status),
    cancelled: action.cancelRequestedAt !== null,
    countedBatches: action.countedBatches,
  };
}
