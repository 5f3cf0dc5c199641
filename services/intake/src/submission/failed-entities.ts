import { decodeEntity } from '@bulk/contracts';
import { FaultyRow, type IncomingRow } from '@bulk/domain';
import { stored, type Database, type StagedBatchDocument } from '@bulk/mongo';
import { retryExpired } from '../retries/retry-chain.ts';
import { mergeByPosition } from '../reading/merge-by-position.ts';
import { readError } from '../reading/read-error.ts';

/** Number of log documents that the cursor of one partition fetches at a time. */
const FETCH = 4;

/** A failed position, with what was sent for it. */
export interface FailedRow {
  readonly position: number;
  /** Its position in the first action of the chain of retries. */
  readonly origin: number;
  readonly code: string;
  readonly row: IncomingRow;
  /** The row of a CSV as it was sent; undefined if it was not. */
  readonly source: string | null | undefined;
}

/**
 * Reads the failed entities of an action as they were sent.
 *
 * It uses the logs, and the batches that are kept for a while.
 */
export class FailedEntities {
  readonly #database: Database;
  readonly #partitions: number;

  /** @param partitions number of partitions of the lanes' topics. */
  constructor(database: Database, partitions: number) {
    this.#database = database;
    this.#partitions = partitions;
  }

  /**
   * Yields the failed rows in order of position. Holds one batch per partition.
   *
   * @throws RestError `RETRY_EXPIRED` if a batch is no longer kept; StoreError.
   */
  async *read(actionId: string): AsyncGenerator<FailedRow> {
    const sources = Array.from({ length: this.#partitions }, (_, partition) =>
      this.#ofPartition(actionId, partition),
    );
    yield* mergeByPosition(sources);
  }

  async *#ofPartition(actionId: string, partition: number): AsyncGenerator<FailedRow[]> {
    const logs = this.#database.actionLogs.find(
      { actionId, partition, 'counts.failure': { $gt: 0 } },
      {
        sort: { lastPosition: 1 },
        batchSize: FETCH,
        projection: { 'outcomes.status': 1, 'outcomes.position': 1, 'outcomes.code': 1 },
      },
    );
    try {
      for await (const { _id, outcomes } of logs) {
        const failed = outcomes.filter(({ status }) => status === 'failure');
        const codes = new Map(failed.map(({ position, code }) => [position, code ?? '']));
        yield this.#rowsOf(await this.#batch(actionId, _id), codes);
      }
    } catch (error) {
      throw readError(error);
    } finally {
      await logs.close();
    }
  }

  async #batch(actionId: string, batchId: string): Promise<StagedBatchDocument> {
    // A batch and its log have the same id.
    const batch = await stored(this.#database.stagedBatches.findOne({ _id: batchId }));
    if (batch === null) throw retryExpired(actionId);
    return batch;
  }

  #rowsOf(
    { entities, origins, sources }: StagedBatchDocument,
    codes: ReadonlyMap<number, string>,
  ): FailedRow[] {
    return entities.flatMap((entity, i) => {
      const { position } = entity;
      const code = codes.get(position);
      if (code === undefined) return [];
      const { id, ref, fields, fault } = decodeEntity(entity);
      const row =
        fault === undefined
          ? { ...fields, id, ...(ref === null ? {} : { ref }) }
          : new FaultyRow(fault, { id, ref, fields });
      return [{ position, origin: origins?.[i] ?? position, code, row, source: sources?.[i] }];
    });
  }
}
