import { columnMapSchema, decodeEntity, RestError, type LogEntry } from '@bulk/contracts';
import type { Fields } from '@bulk/domain';
import {
  stored,
  type ActionDocument,
  type Database,
  type SentForm,
  type StagedBatchDocument,
} from '@bulk/mongo';
import type { SourceFile } from '@bulk/uploads';
import { findsSuccesses, matches, sourcesOf, type LogFilter, type LogSource } from '../reading/log-filter.ts';
import { entryOf, logOptions, outcomesOf, type ReadOutcome } from '../reading/log-reader.ts';
import { mergeByPosition } from '../reading/merge-by-position.ts';
import { readError } from '../reading/read-error.ts';

/** An outcome, with the row that was sent for its position. */
export interface InputRow {
  readonly position: number;
  readonly entry: LogEntry;
  /** The entity as it was read. */
  readonly entity: { readonly id: string; readonly ref: string | null; readonly fields: Fields };
  /** The row of a CSV as it was sent; null if it was not, or was too large to be kept. */
  readonly source: string | null;
}

/** Reads the outcomes of an action together with what was sent, which is kept for a while. */
export class InputReader {
  readonly #database: Database;
  readonly #partitions: number;

  /** @param partitions number of partitions of the lanes' topics. */
  constructor(database: Database, partitions: number) {
    this.#database = database;
    this.#partitions = partitions;
  }

  /**
   * Reads in which form the rows of an action were sent.
   *
   * @throws RestError `INPUT_EXPIRED` if what was sent is no longer kept, or makes no table; StoreError.
   */
  async form(actionId: string): Promise<SentForm> {
    const { actions, stagedBatches } = this.#database;
    const [action, batch] = await Promise.all([
      stored(actions.findOne({ _id: actionId }, { projection: { input: 1, total: 1 } })),
      stored(stagedBatches.findOne({ actionId, batchNo: 0 }, { projection: { _id: 1 } })),
    ]);
    const input = action?.input;
    // A filter may have matched nothing, so that there never was a batch.
    const isGone = batch === null && action?.total !== 0;
    if (input === undefined || isGone) throw inputExpired(actionId);
    return input;
  }

  /** Reads the CSV file of an action; undefined if its rows were sent otherwise. @throws StoreError. */
  async file(actionId: string): Promise<SourceFile | undefined> {
    const { actions } = this.#database;
    const action = await stored(actions.findOne({ _id: actionId }, { projection: { input: 1 } }));
    const input = action?.input;
    if (input === undefined || !('header' in input)) return undefined;
    const { header, delimiter, columnMap, escaped } = input;
    const columns = columnMap === undefined ? undefined : columnMapSchema.parse(JSON.parse(columnMap));
    return { header, delimiter, columns, escaped };
  }

  /**
   * Yields the outcomes so far that a filter selects, with their rows, in order of position. It holds one batch for each
   * partition and kind of outcome.
   *
   * @throws RestError `INPUT_EXPIRED` if a batch is no longer kept; StoreError.
   */
  async *all(
    action: Pick<ActionDocument, '_id' | 'entityType' | 'changes'>,
    filter: LogFilter,
  ): AsyncGenerator<InputRow> {
    const options = logOptions(action.changes, findsSuccesses(filter));
    const sources = sourcesOf(action, filter, this.#partitions).map((source) =>
      this.#ofSource(action._id, source, options, filter),
    );
    for await (const row of mergeByPosition(sources)) yield row;
  }

  async *#ofSource(
    actionId: string,
    source: LogSource,
    options: ReturnType<typeof logOptions>,
    filter: LogFilter,
  ): AsyncGenerator<InputRow[]> {
    const logs = this.#database.actionLogs.find(
      { ...source.logs, lastPosition: { $gte: 0 } },
      { ...options, sort: { lastPosition: 1 } },
    );
    try {
      for await (const log of logs) {
        // A batch and its log have the same id.
        const batch = await stored(this.#database.stagedBatches.findOne({ _id: log._id }));
        if (batch === null) throw inputExpired(actionId);
        yield joined(
          outcomesOf(log, source.type).filter((outcome) => matches(filter, outcome)),
          batch,
        );
      }
    } catch (error) {
      throw readError(error);
    } finally {
      await logs.close();
    }
  }
}

function joined(outcomes: readonly ReadOutcome[], { entities, sources }: StagedBatchDocument): InputRow[] {
  const indexes = new Map(entities.map(({ position }, i) => [position, i]));
  return outcomes.flatMap((outcome) => {
    const index = indexes.get(outcome.position) ?? -1;
    const entity = entities[index];
    if (entity === undefined) return [];
    return [
      {
        position: entity.position,
        entry: entryOf(outcome),
        entity: decodeEntity(entity),
        source: sources?.[index] ?? null,
      },
    ];
  });
}

function inputExpired(actionId: string): RestError {
  return new RestError(
    'INPUT_EXPIRED',
    `what was sent for action ${actionId} is no longer kept, or has too many columns: download the results without include=input`,
  );
}
