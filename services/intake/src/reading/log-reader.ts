import type { LogEntry, LogPagination, LogsQuery } from '@bulk/contracts';
import { processed, type OutcomeStatus } from '@bulk/domain';
import { StoreError, type ActionDocument, type Database } from '@bulk/mongo';
import { mergeByPosition } from './merge-by-position.ts';

/** One page of an action's logs. */
export interface LogPage {
  readonly entries: readonly LogEntry[];
  readonly pagination: LogPagination;
}

/** What of an action its logs are read by. */
type CountedAction = Pick<ActionDocument, '_id' | 'status' | 'counts' | 'total'>;

/** Log documents that one partition's cursor fetches at a time. */
const FETCH = 4;
/** Largest number of positions that one page of a running action looks at. */
const POSITIONS = 20_000;

/** A page in order of position, and how far it goes. */
interface Run {
  readonly entries: LogEntry[];
  /** Whether outcomes follow or will follow. */
  readonly more: boolean;
  /** No outcome at or before this position is missing; -1: none has been seen. */
  readonly upTo: number;
}

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
   * Reads a page. `pagination.total` is the number of outcomes of the type that were counted when the action was read.
   *
   * Outcomes of lower positions may come later, since a batch can be postponed. So a page without `skip` of a running
   * action ends before the first position that has no outcome: a caller that continues there misses nothing.
   *
   * @throws StoreError.
   */
  async page(action: CountedAction, { type, limit, skip, after = -1 }: LogsQuery): Promise<LogPage> {
    const total = type === undefined ? processed(action.counts) : action.counts[type];
    const counted = { total, limit, skip: skip ?? 0 };
    try {
      if (skip !== undefined && after < 0) {
        return { entries: await this.#skipped(action, type, skip, limit), pagination: counted };
      }
      const { entries, more, upTo } = isComplete(action)
        ? await this.#ofComplete(action._id, type, after, limit)
        : await this.#ofRunning(action._id, type, after, limit);
      const next = more && upTo >= 0 ? { next: upTo } : {};
      return { entries, pagination: { ...counted, more, ...next } };
    } catch (error) {
      throw new StoreError(error);
    }
  }

  async #skipped(
    action: CountedAction,
    type: OutcomeStatus | undefined,
    skip: number,
    limit: number,
  ): Promise<LogEntry[]> {
    // If every position has an outcome, the k-th outcome is that of position k: a deep page needs no counting.
    const direct = type === undefined && isComplete(action);
    const entries: LogEntry[] = [];
    let left = direct ? 0 : skip;
    for await (const entry of this.#entries(action._id, type, direct ? skip - 1 : -1)) {
      if (left > 0) left -= 1;
      else entries.push(entry);
      if (entries.length >= limit) break;
    }
    return entries;
  }

  async #ofComplete(
    actionId: string,
    type: OutcomeStatus | undefined,
    after: number,
    limit: number,
  ): Promise<Run> {
    const entries: LogEntry[] = [];
    for await (const entry of this.#entries(actionId, type, after)) {
      if (entries.length === limit) return { entries, more: true, upTo: entries.at(-1)?.position ?? after };
      entries.push(entry);
    }
    return { entries, more: false, upTo: after };
  }

  /** Reads all positions, whatever the type, since only they show where an outcome is missing. */
  async #ofRunning(
    actionId: string,
    type: OutcomeStatus | undefined,
    after: number,
    limit: number,
  ): Promise<Run> {
    const entries: LogEntry[] = [];
    let upTo = after;
    for await (const entry of this.#entries(actionId, undefined, after)) {
      if (entry.position !== upTo + 1) break;
      upTo = entry.position;
      if (type === undefined || entry.status === type) entries.push(entry);
      if (entries.length === limit || upTo - after === POSITIONS) break;
    }
    return { entries, more: true, upTo };
  }

  /**
   * Reads all outcomes so far, or those of a type, in order of position, as they are asked for. Of a running action,
   * outcomes that arrive while they are read may be among them.
   *
   * @throws StoreError.
   */
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
      // The order of batchNo, too. The indexes find `after` without reading what lies before it, and those of a type
      // hold only the logs with an outcome of the type.
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

/** Whether no outcome is to come any more. An action that has failed as a whole never gets one for each position. */
function isComplete({ status, counts, total }: CountedAction): boolean {
  return status === 'failed' || processed(counts) === total;
}
