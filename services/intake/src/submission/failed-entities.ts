import { RestError } from '@bulk/contracts';
import { FaultyRow, type Fields, type IncomingRow } from '@bulk/domain';
import { stored, StoreError, type Database, type StagedBatchDocument } from '@bulk/mongo';
import { mergeByPosition } from '../reading/merge-by-position.ts';

/** Number of log documents that the cursor of one partition fetches at a time. */
const FETCH = 4;

interface FailedEntity {
  readonly position: number;
  readonly entity: IncomingRow;
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
   * Yields the failed entities in order of position. Holds one batch per partition.
   *
   * @throws RestError `RETRY_EXPIRED` if a batch is no longer kept; StoreError.
   */
  async *read(actionId: string): AsyncGenerator<IncomingRow> {
    const sources = Array.from({ length: this.#partitions }, (_, partition) =>
      this.#ofPartition(actionId, partition),
    );
    for await (const { entity } of mergeByPosition(sources)) yield entity;
  }

  async *#ofPartition(actionId: string, partition: number): AsyncGenerator<FailedEntity[]> {
    const logs = this.#database.actionLogs.find(
      { actionId, partition, 'counts.failure': { $gt: 0 } },
      { sort: { lastPosition: 1 }, batchSize: FETCH, projection: { outcomes: 1 } },
    );
    try {
      for await (const { _id, outcomes } of logs) {
        const failed = outcomes.filter(({ status }) => status === 'failure').map(({ position }) => position);
        yield this.#entitiesOf(await this.#batch(actionId, _id), new Set(failed));
      }
    } catch (error) {
      throw error instanceof RestError || error instanceof StoreError ? error : new StoreError(error);
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

  #entitiesOf({ entities }: StagedBatchDocument, positions: ReadonlySet<number>): FailedEntity[] {
    return entities
      .filter(({ position }) => positions.has(position))
      .map(({ position, id, ref, fields: text, fault }) => {
        // Checked when they were accepted. A copy by zod would lack a field `__proto__`.
        const fields = JSON.parse(text) as Fields;
        const entity = fault
          ? new FaultyRow(fault, { id, ref, fields })
          : { ...fields, id, ...(ref === null ? {} : { ref }) };
        return { position, entity };
      });
  }
}

export function retryExpired(actionId: string): RestError {
  return new RestError(
    'RETRY_EXPIRED',
    `the entities of action ${actionId} are no longer kept: send the failed entities again`,
  );
}
