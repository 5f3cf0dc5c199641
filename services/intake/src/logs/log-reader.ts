import type { LogEntry, LogsQuery, Pagination } from '@bulk/contracts';
import { processed, type OutcomeStatus } from '@bulk/domain';
import { StoreError, type ActionDocument, type Database } from '@bulk/mongo';
import { mergeByPosition } from './merge-by-position.ts';

/** One page of an action's logs. */
export interface LogPage {
  readonly entries: readonly LogEntry[];
  readonly pagination: Pagination;
}

/** What of an action its logs are read by. */
type CountedAction = Pick<ActionDocument, '_id' | 'counts' | 'total'>;

/** Log documents that one partition's cursor fetches at a time. */
const FETCH = 4;

/** Reads the outcomes of an action in order of position: a merge of one cursor per partition of its lane. */
export class LogReader {
  readonly #database: Database;
  readonly #partitions: number;

  /** @param partitions of the lanes' topics. */
  constructor(database: Database, partitions: number) {
    this.#database = database;
    this.#partitions = partitions;
  }

  /**
   * `pagination.total` is the number of outcomes of the type that were counted when the action was read.
   *
   * @throws StoreError.
   */
  async page(action: CountedAction, { type, limit, skip, after }: LogsQuery): Promise<LogPage> {
    const start = startOf(action, type, skip, after);
    const entries: LogEntry[] = [];
    let left = start.skip;
    try {
      for await (const entry of this.#entries(action._id, type, start.after)) {
        if (left > 0) left -= 1;
        else entries.push(entry);
        if (entries.length >= limit) break;
      }
    } catch (error) {
      throw new StoreError(error);
    }
    const total = type === undefined ? processed(action.counts) : action.counts[type];
    return { entries, pagination: { total, limit, skip } };
  }

  /** All outcomes so far, of the type where one is given, as they are asked for. @throws StoreError. */
  async *all(actionId: string, type: OutcomeStatus | undefined): AsyncGenerator<LogEntry> {
    try {
      yield* this.#entries(actionId, type, -1);
    } catch (error) {
      throw new StoreError(error);
    }
  }

  #entries(actionId: string, type: OutcomeStatus | undefined, after: number): AsyncGenerator<LogEntry> {
    const sources = Array.from({ length: this.#partitions }, (_, partition) =>
      this.#buckets(actionId, partition, type, after),
    );
    return mergeByPosition(sources, after);
  }

  async *#buckets(
    actionId: string,
    partition: number,
    type: OutcomeStatus | undefined,
    after: number,
  ): AsyncGenerator<LogEntry[]> {
    const cursor = this.#database.actionLogs.find(
      {
        actionId,
        partition,
        lastPosition: { $gt: after },
        ...(type === undefined ? {} : { [`counts.${type}`]: { $gt: 0 } }),
      },
      // The order of batchNo, too, and of an index that finds `after` without reading what lies before it.
      { sort: { lastPosition: 1 }, batchSize: FETCH },
    );
    try {
      for await (const { outcomes, at } of cursor) {
        yield outcomes
          .filter(({ status }) => type === undefined || status === type)
          .map((outcome) => ({ ...outcome, at: at.toISOString() }));
      }
    } finally {
      await cursor.close();
    }
  }
}

/** Where to begin: when every position has an outcome, the k-th is position k, and a deep page needs no counting. */
function startOf(
  action: CountedAction,
  type: OutcomeStatus | undefined,
  skip: number,
  after: number | undefined,
): { after: number; skip: number } {
  if (after !== undefined) return { after, skip: 0 };
  if (type === undefined && processed(action.counts) === action.total) return { after: skip - 1, skip: 0 };
  return { after: -1, skip };
}
