import { resultIdOf } from '@bulk/contracts';
import { DUPLICATE_KEY, StoreError, type ActionLogDocument, type Database } from '@bulk/mongo';
import { MongoBulkWriteError } from 'mongodb';
import type { BatchLog } from './batch-log.ts';
import type { StoredSource } from './counting.ts';

/** The logs of actions, one per batch, in MongoDB. */
export class LogStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /**
   * Stores the logs whose batch has none yet. Idempotent.
   *
   * @returns for each log, the source of the one that is stored for its batch: its own, or an earlier one.
   * @throws StoreError.
   */
  async store(logs: readonly BatchLog[]): Promise<StoredSource[]> {
    const documents = logs.map(toDocument);
    const taken = await this.#insert(documents);
    if (taken.length === 0) return logs.map(({ source }) => source);
    const earlier = await this.#sources(taken);
    return logs.map((log, i) => earlier.get(documents[i]?._id ?? '') ?? log.source);
  }

  /**
   * Removes the log that came from this very message; one of the same batch from elsewhere stays. Idempotent.
   *
   * @throws StoreError.
   */
  async remove({
    actionId,
    batchNo,
    source,
  }: Pick<BatchLog, 'actionId' | 'batchNo' | 'source'>): Promise<void> {
    try {
      await this.#database.actionLogs.deleteOne({
        _id: resultIdOf(actionId, batchNo),
        'source.partition': source.partition,
        'source.offset': source.offset,
      });
    } catch (error) {
      throw new StoreError(error);
    }
  }

  /** @returns the ids that have a log already. */
  async #insert(documents: readonly ActionLogDocument[]): Promise<string[]> {
    try {
      await this.#database.actionLogs.insertMany([...documents], { ordered: false });
      return [];
    } catch (error) {
      if (!(error instanceof MongoBulkWriteError) || !error.result.hasWriteErrors())
        throw new StoreError(error);
      const errors = error.result.getWriteErrors();
      if (errors.some(({ code }) => code !== DUPLICATE_KEY)) throw new StoreError(error);
      return errors.flatMap(({ index }) => documents[index]?._id ?? []);
    }
  }

  async #sources(ids: readonly string[]): Promise<Map<string, StoredSource>> {
    try {
      const found = await this.#database.actionLogs
        .find({ _id: { $in: [...ids] } }, { projection: { source: 1 } })
        .toArray();
      return new Map(found.map(({ _id, source }) => [_id, source]));
    } catch (error) {
      throw new StoreError(error);
    }
  }
}

function toDocument(log: BatchLog): ActionLogDocument {
  const { success, failure, skipped } = log.tally;
  return {
    _id: resultIdOf(log.actionId, log.batchNo),
    actionId: log.actionId,
    batchNo: log.batchNo,
    partition: log.lanePartition,
    firstPosition: log.outcomes[0]?.position ?? 0,
    lastPosition: log.outcomes.at(-1)?.position ?? 0,
    counts: { success, failure, skipped },
    outcomes: log.outcomes.map(({ position, entityId, ref, outcome, attempts }) => ({
      position,
      entityId,
      ref,
      status: outcome.status,
      code: outcome.code,
      message: outcome.message,
      attempts,
    })),
    source: log.source,
    at: log.at,
  };
}
