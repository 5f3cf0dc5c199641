import { STARTED_STATUSES, instantAfter } from '@bulk/domain';
import { stored, StoreError, type ActionDocument, type Database, type SweepState } from '@bulk/mongo';
import type { Filter } from 'mongodb';
import { PUBLISHED, type StagedBatch, type WindowLimits } from './staged-batch.ts';

/** Number of staged batches that are read together. */
const CHUNK = 500;

/** The missing batches of an action. */
export interface MissingBatches {
  /** Missing batches in ascending order, at most as many as requested. */
  readonly batchNos: readonly number[];
  /** Batches without an outcome and without a staged batch. They cannot be published again. */
  readonly lost: readonly number[];
}

/**
 * Searches for batches that were published and are not in Kafka. All times are those of this
 * process.
 */
export class GapStore {
  readonly #database: Database;
  readonly #now: () => Date;

  constructor(database: Database, now: () => Date) {
    this.#database = database;
    this.#now = now;
  }

  /**
   * Claims an action that stands still: it has batches in flight, and nothing has changed for
   * `afterMs`.
   *
   * @param claimMs how long no other instance searches the action, in ms.
   * @throws StoreError.
   */
  async claim(afterMs: number, claimMs: number): Promise<ActionDocument | undefined> {
    const now = this.#now();
    const claimed = await stored(
      this.#database.actions.findOneAndUpdate(
        standingStill(now, afterMs),
        { $set: { 'dispatch.sweep.dueAt': instantAfter(now, claimMs) } },
        { returnDocument: 'after' },
      ),
    );
    return claimed ?? undefined;
  }

  /** Records the state of the search. @throws StoreError. */
  async record(actionId: string, sweep: SweepState): Promise<void> {
    await stored(this.#database.actions.updateOne({ _id: actionId }, { $set: { 'dispatch.sweep': sweep } }));
  }

  /** Reads the action, if its batches may be published. @throws StoreError. */
  async open(actionId: string): Promise<ActionDocument | undefined> {
    const found = await stored(this.#database.actions.findOne({ _id: actionId, ...MAY_BE_PUBLISHED }));
    return found ?? undefined;
  }

  /**
   * Returns the batches below `nextBatch` in these partitions of the lane that have no log.
   *
   * Memory: one byte for each batch.
   *
   * @param except batches that are not missing, because they wait in a retry topic.
   * @throws StoreError.
   */
  async missing(
    actionId: string,
    nextBatch: number,
    partitions: readonly number[],
    except: readonly number[],
    atMost: number,
  ): Promise<MissingBatches> {
    const open = await this.#withoutLog(actionId, nextBatch, new Set(except));
    const batchNos: number[] = [];
    const lost: number[] = [];
    for (let i = 0; i < open.length && batchNos.length < atMost; i += CHUNK) {
      const chunk = open.slice(i, i + CHUNK);
      const partitionOf = await this.#partitions(actionId, chunk);
      lost.push(...chunk.filter((batchNo) => !partitionOf.has(batchNo)));
      batchNos.push(...chunk.filter((batchNo) => partitions.includes(partitionOf.get(batchNo) ?? -1)));
    }
    return { batchNos: batchNos.slice(0, atMost), lost };
  }

  /** Reads the first of these staged batches that fit into a window. @throws StoreError. */
  async read(actionId: string, batchNos: readonly number[], limits: WindowLimits): Promise<StagedBatch[]> {
    const wanted = batchNos.slice(0, limits.batches);
    const window: StagedBatch[] = [];
    let bytes = 0;
    try {
      const cursor = this.#database.stagedBatches.find(
        { actionId, batchNo: { $in: wanted } },
        { ...PUBLISHED, sort: { batchNo: 1 }, batchSize: 10 },
      );
      for await (const batch of cursor) {
        bytes += Buffer.byteLength(JSON.stringify(batch.entities));
        if (window.length > 0 && bytes > limits.bytes) break;
        window.push(batch);
      }
      return window;
    } catch (error) {
      throw new StoreError(error);
    }
  }

  async #withoutLog(actionId: string, nextBatch: number, except: ReadonlySet<number>): Promise<number[]> {
    const logged = new Uint8Array(nextBatch);
    try {
      const logs = this.#database.actionLogs
        .find({ actionId }, { sort: { partition: 1, batchNo: 1 }, batchSize: 5_000 })
        .project<{ batchNo: number }>({ _id: 0, batchNo: 1 });
      for await (const { batchNo } of logs) if (batchNo < nextBatch) logged[batchNo] = 1;
    } catch (error) {
      throw new StoreError(error);
    }
    const open: number[] = [];
    logged.forEach((isLogged, batchNo) => {
      if (isLogged === 0 && !except.has(batchNo)) open.push(batchNo);
    });
    return open;
  }

  async #partitions(actionId: string, batchNos: readonly number[]): Promise<Map<number, number>> {
    const found = await stored(
      this.#database.stagedBatches
        .find({ actionId, batchNo: { $in: [...batchNos] } })
        .project<{ batchNo: number; partition: number }>({ _id: 0, batchNo: 1, partition: 1 })
        .toArray(),
    );
    return new Map(found.map(({ batchNo, partition }) => [batchNo, partition]));
  }
}

/**
 * Matches actions whose missing batches may be published again. A pause only stops the dispatch: once that is done, all
 * batches were published before the pause, and only their outcomes can end the action.
 */
const MAY_BE_PUBLISHED: Filter<ActionDocument> = {
  status: { $in: [...STARTED_STATUSES, 'paused'] },
  $or: [{ status: { $ne: 'paused' } }, { 'dispatch.done': true }],
};

/** Matches actions that stand still. */
function standingStill(now: Date, afterMs: number): Filter<ActionDocument> {
  return {
    // The action has batches that are published and neither counted nor in a retry topic.
    'dispatch.inFlight': true,
    ...MAY_BE_PUBLISHED,
    updatedAt: { $lt: instantAfter(now, -afterMs) },
    'dispatch.sweep.dueAt': { $not: { $gt: now } },
  };
}
