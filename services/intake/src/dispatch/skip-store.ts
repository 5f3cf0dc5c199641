import {
  chunksOf,
  CodedError,
  leaseFor,
  REST_OUTCOMES,
  tally,
  type Lease,
  type StopCause,
  type Tally,
} from '@bulk/domain';
import {
  fits,
  insertLogs,
  skipped,
  SKIPPED_IN_DISPATCH,
  skippedLogOf,
  stored,
  StoreError,
  WITH_DUE_AT,
  type ActionDocument,
  type Database,
  type SkippableBatch,
} from '@bulk/mongo';

/**
 * Thrown when an action's counts leave no room for the skipped positions, so that its counts are
 * wrong.
 */
export class SkipRefusedError extends CodedError {
  constructor(actionId: string, nextBatch: number) {
    super(
      'SKIP_REFUSED',
      `action ${actionId}: the positions from batch ${nextBatch} on have outcomes already`,
    );
  }
}

/** Consecutive batches of an action whose rest was given up. */
export interface SkippedRun {
  readonly from: number;
  /** Why they are skipped. It decides about their outcome. */
  readonly cause: StopCause;
  readonly batches: readonly SkippableBatch[];
}

/**
 * Staged batches that the driver fetches at a time. Bounds what is read beyond the end of a run.
 */
const FETCH = 20;
/** Maximum number of batches of a run. */
const RUN_BATCHES = 100;
/** Number of logs per insertion. */
const INSERTED = 50;

/**
 * Skips batches of cancelled and failing actions in MongoDB alone, with their logs and counts. All times are
 * those of this process.
 */
export class SkipStore {
  readonly #database: Database;
  readonly #leaseMs: number;
  readonly #now: () => Date;

  constructor(database: Database, leaseMs: number, now: () => Date) {
    this.#database = database;
    this.#leaseMs = leaseMs;
    this.#now = now;
  }

  /**
   * Records that no batch from `from` on is in Kafka, and renews the lease.
   *
   * From now on no instance publishes these batches: a later owner continues with what is recorded
   * first.
   *
   * @returns whether the lease is held.
   * @throws StoreError.
   */
  async begin(actionId: string, owner: string, from: number): Promise<boolean> {
    const { matchedCount } = await stored(
      this.#database.actions.updateOne({ _id: actionId, 'dispatch.lease.owner': owner }, [
        {
          $set: {
            'dispatch.skipFrom': { $ifNull: ['$dispatch.skipFrom', from] },
            'dispatch.lease': { $literal: this.#lease(owner) },
          },
        },
        WITH_DUE_AT,
      ]),
    );
    return matchedCount > 0;
  }

  /**
   * Reads staged batches from `from` on, in order.
   *
   * @param positions number of positions after which no further batch is read.
   * @param cause why they are skipped.
   * @returns up to `RUN_BATCHES` batches.
   * @throws StoreError.
   */
  async read(
    actionId: string,
    from: number,
    positions: number,
    cause: StopCause = 'cancelled',
  ): Promise<SkippedRun> {
    const batches: SkippableBatch[] = [];
    let read = 0;
    try {
      const cursor = this.#database.stagedBatches
        .find(
          // The upper bound matters: some servers read everything within the bounds of an index.
          { actionId, batchNo: { $gte: from, $lt: from + RUN_BATCHES } },
          { sort: { batchNo: 1 }, batchSize: FETCH },
        )
        .project<SkippableBatch>({
          batchNo: 1,
          partition: 1,
          'entities.position': 1,
          'entities.id': 1,
          'entities.ref': 1,
        });
      for await (const batch of cursor) {
        batches.push(batch);
        read += batch.entities.length;
        if (read >= positions) break;
      }
      return { from, cause, batches };
    } catch (error) {
      throw new StoreError(error);
    }
  }

  /**
   * Stores the logs of a run. Idempotent: a batch that already has a log keeps it.
   *
   * @returns the batches whose outcome is the one of this log. The outcome of any other batch was
   * counted from a message.
   * @throws StoreError.
   */
  async log(actionId: string, { cause, batches }: SkippedRun): Promise<SkippableBatch[]> {
    const at = this.#now();
    const taken = await Promise.all(
      chunksOf(batches, INSERTED).map((chunk) =>
        insertLogs(
          this.#database,
          chunk.map((batch) => skippedLogOf(actionId, batch, REST_OUTCOMES[cause], at)),
        ),
      ),
    );
    const others = await this.#fromElsewhere(taken.flat());
    return batches.filter(({ batchNo }) => !others.has(batchNo));
  }

  /**
   * Adds the outcomes of a run to the action, advances its dispatch and renews the lease in one
   * update.
   *
   * @param own the batches of the run whose logs were stored here.
   * @returns the action afterwards; `undefined` if another owner has the lease or has advanced the
   * action.
   * @throws SkipRefusedError; StoreError.
   */
  async advance(
    actionId: string,
    owner: string,
    { from, cause, batches }: SkippedRun,
    own: readonly SkippableBatch[],
    batchCount: number,
  ): Promise<ActionDocument | undefined> {
    const now = this.#now();
    const nextBatch = from + batches.length;
    const done = nextBatch >= batchCount;
    const held = { _id: actionId, 'dispatch.lease.owner': owner, 'dispatch.nextBatch': from };
    const sum = tallyOf(own, cause);
    const upTo = { partition: SKIPPED_IN_DISPATCH, offset: nextBatch - 1 };
    const after = await stored(
      this.#database.actions.findOneAndUpdate(
        { ...held, ...fits(sum) },
        skipped(
          { tally: sum, batches: own.length, upTo },
          { nextBatch, done, lease: this.#lease(owner) },
          now,
        ),
        { returnDocument: 'after' },
      ),
    );
    if (after !== null) return after;
    if ((await stored(this.#database.actions.countDocuments(held))) > 0)
      throw new SkipRefusedError(actionId, from);
    return undefined;
  }

  /** Returns the numbers of the batches whose log came from a message. */
  async #fromElsewhere(ids: readonly string[]): Promise<ReadonlySet<number>> {
    if (ids.length === 0) return new Set();
    const found = await stored(
      this.#database.actionLogs
        .find({ _id: { $in: [...ids] } }, { projection: { batchNo: 1, source: 1 } })
        .toArray(),
    );
    return new Set(
      found.filter(({ source }) => source.partition !== SKIPPED_IN_DISPATCH).map(({ batchNo }) => batchNo),
    );
  }

  #lease(owner: string): Lease {
    return leaseFor(owner, this.#leaseMs, this.#now());
  }
}

function tallyOf(batches: readonly SkippableBatch[], cause: StopCause): Tally {
  return tally(batches.flatMap(({ entities }) => entities.map(() => REST_OUTCOMES[cause])));
}
