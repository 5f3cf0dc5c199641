import { DISPATCHED_STATUSES, instantAfter, leaseFor, type Lane, type Lease } from '@bulk/domain';
import {
  DUE_NOW,
  MAX_WINDOW_BATCHES,
  published,
  stored,
  StoreError,
  WITH_DUE_AT,
  type ActionDocument,
  type Database,
} from '@bulk/mongo';
import type { Document } from 'mongodb';
import { PROGRESS, progressOf, type DispatchProgress, type ProgressFields } from './dispatch-progress.ts';
import { adoptActions, findDueActions, type Due } from './due-actions.ts';
import { claimed } from './in-doubt.ts';
import { SharedWindows } from './shared-windows.ts';
import { sharesInFlight, type ShareInFlight } from './shares-in-flight.ts';
import { SkipStore } from './skip-store.ts';
import { bytesOf, PUBLISHED, type StagedBatch, type WindowLimits } from './staged-batch.ts';

/**
 * Restricts which due action is claimed. By default it is the first in the order of lane, account
 * and age.
 */
export interface ClaimScope {
  /** Only actions of this lane. */
  readonly lane?: Lane;
  /** Only actions of accounts whose ids are greater. */
  readonly after?: string;
  /** No actions of these accounts. */
  readonly except?: readonly string[];
}

/**
 * Staged batches that the driver fetches at a time. Bounds what is read beyond the end of a window.
 */
const FETCH = 32;

/**
 * Stores the progress and the owner of each action's dispatch. All times are those of this process.
 */
export class DispatchStore {
  readonly windows: SharedWindows;
  readonly #database: Database;
  readonly #leaseMs: number;
  readonly #now: () => Date;
  readonly #windowBatches: number;

  /** @param windowBatches maximum number of batches that are published before they are recorded. */
  constructor(database: Database, leaseMs: number, now: () => Date, windowBatches = MAX_WINDOW_BATCHES) {
    this.windows = new SharedWindows(database, now);
    this.#database = database;
    this.#leaseMs = leaseMs;
    this.#now = now;
    this.#windowBatches = windowBatches;
  }

  /** The store that skips the rest of cancelled actions. It uses the same leases. */
  get skips(): SkipStore {
    return new SkipStore(this.#database, this.#leaseMs, this.#now);
  }

  /** See `adoptActions`. @throws StoreError. */
  adopt(): Promise<number> {
    return adoptActions(this.#database);
  }

  /** See `findDueActions`. @throws StoreError. */
  findDue(): Promise<Due> {
    return findDueActions(this.#database, this.#now());
  }

  /**
   * Leases an action that is due at once and that no instance dispatches.
   *
   * A cancelled action is due at once, whatever its schedule. An action whose time has come since
   * becomes due at once by `findDue`.
   *
   * @param owner a name that no other claim has ever had. It fences `advance`.
   * @throws StoreError.
   */
  async claim(
    owner: string,
    { lane, after, except = [] }: ClaimScope = {},
  ): Promise<ActionDocument | undefined> {
    const now = this.#now();
    const accountId = {
      ...(after === undefined ? {} : { $gt: after }),
      ...(except.length === 0 ? {} : { $nin: [...except] }),
    };
    const action = await stored(
      this.#database.actions.findOneAndUpdate(
        {
          'dispatch.dueAt': DUE_NOW,
          ...(lane === undefined ? {} : { lane }),
          ...(Object.keys(accountId).length === 0 ? {} : { accountId }),
          // Both conditions follow from `dueAt`, but an action that an older version has changed
          // must not be published.
          status: { $in: DISPATCHED_STATUSES },
          // No `$or`: some planners then ignore the index and read every action.
          'dispatch.lease.until': { $not: { $gt: now } },
        },
        claimed(leaseFor(owner, this.#leaseMs, now), this.#windowBatches),
        { sort: { lane: 1, accountId: 1, _id: 1 }, returnDocument: 'after' },
      ),
    );
    return action ?? undefined;
  }

  /**
   * Returns the stages of an acceptance that lease the action in the same update.
   *
   * @param owner a name that no other claim has ever had.
   */
  leaseAtAcceptance(owner: string): Document[] {
    return claimed(leaseFor(owner, this.#leaseMs, this.#now()), this.#windowBatches);
  }

  /**
   * Returns how much is in flight, published by any instance, and how much of it has not moved for
   * `staleMs`.
   *
   * @param batchSize number of entities of a full batch: the unit of the amounts.
   *
   * Reads only the actions that have batches in flight.
   *
   * @throws StoreError.
   */
  inFlight(staleMs: number, batchSize: number): Promise<ShareInFlight[]> {
    return stored(
      this.#database.actions
        .aggregate<ShareInFlight>(sharesInFlight(instantAfter(this.#now(), -staleMs), batchSize))
        .toArray(),
    );
  }

  /** Returns the progress of those of the actions that exist. @throws StoreError. */
  async look(actionIds: readonly string[]): Promise<Map<string, DispatchProgress>> {
    if (actionIds.length === 0) return new Map();
    const found = await stored(
      this.#database.actions
        .aggregate<ProgressFields & { readonly _id: string; readonly postponed: number }>([
          { $match: { _id: { $in: [...actionIds] } } },
          { $project: PROGRESS },
        ])
        .toArray(),
    );
    return new Map(found.map((action) => [action._id, progressOf(action, action.postponed)]));
  }

  /**
   * Reads the staged batches from `from` on, in order, within the limits.
   *
   * @param extraBytes what each batch carries in addition to its entities, in bytes.
   * @throws StoreError.
   */
  async readWindow(
    actionId: string,
    from: number,
    limits: WindowLimits,
    extraBytes = 0,
  ): Promise<StagedBatch[]> {
    const window: StagedBatch[] = [];
    let bytes = 0;
    try {
      const cursor = this.#database.stagedBatches.find(
        { actionId, batchNo: { $gte: from, $lt: from + limits.batches } },
        // One more than there can be, so that MongoDB closes the cursor with its first answer.
        { ...PUBLISHED, sort: { batchNo: 1 }, batchSize: Math.min(FETCH, limits.batches + 1) },
      );
      for await (const batch of cursor) {
        bytes += bytesOf(batch) + extraBytes;
        if (window.length > 0 && bytes > limits.bytes) break;
        window.push(batch);
      }
      return window;
    } catch (error) {
      throw new StoreError(error);
    }
  }

  /**
   * Records that all batches below `nextBatch` are in Kafka and renews the lease. A pending action
   * becomes queued.
   *
   * @returns the action afterwards; `undefined` if another owner has the lease, so that this one
   * must stop.
   * @throws StoreError.
   */
  async advance(
    actionId: string,
    owner: string,
    nextBatch: number,
    done: boolean,
  ): Promise<ActionDocument | undefined> {
    const now = this.#now();
    const lease = leaseFor(owner, this.#leaseMs, now);
    const updated = await stored(
      this.#database.actions.findOneAndUpdate(
        // Another holder may have published more while a step of this owner took longer than its
        // lease.
        { _id: actionId, 'dispatch.lease.owner': owner, 'dispatch.nextBatch': { $lte: nextBatch } },
        published({ nextBatch, done, lease }, now),
        { returnDocument: 'after' },
      ),
    );
    return updated ?? undefined;
  }

  /** Renews the lease. @returns whether the lease was still held. @throws StoreError. */
  renew(actionId: string, owner: string): Promise<boolean> {
    return this.#setLease(actionId, owner, leaseFor(owner, this.#leaseMs, this.#now()));
  }

  /**
   * Hands an action back, so that any instance may continue with the action at once.
   *
   * @throws StoreError.
   */
  async release(actionId: string, owner: string): Promise<void> {
    await this.#setLease(actionId, owner, null);
  }

  /**
   * Hands back an action that failed. No instance tries the action again before `delayMs` have
   * passed.
   *
   * @throws StoreError.
   */
  async postpone(actionId: string, owner: string, delayMs: number): Promise<void> {
    await this.#setLease(actionId, owner, leaseFor(`${owner}/postponed`, delayMs, this.#now()));
  }

  async #setLease(actionId: string, owner: string, lease: Lease | null): Promise<boolean> {
    const updated = await stored(
      this.#database.actions.findOneAndUpdate(
        { _id: actionId, 'dispatch.lease.owner': owner },
        leased(lease),
        { projection: { _id: 1 } },
      ),
    );
    return updated !== null;
  }
}

/** Builds the update that sets or clears the lease. */
function leased(lease: Lease | null): Document[] {
  return [{ $set: { 'dispatch.lease': lease === null ? null : { $literal: lease } } }, WITH_DUE_AT];
}
