import type { LogEntry, LogPagination, LogsQuery } from '@bulk/contracts';
import { parseEntityChanges, processed, type OutcomeStatus } from '@bulk/domain';
import { StoreError, type ActionDocument, type ActionLogDocument, type Database } from '@bulk/mongo';
import type { Filter } from 'mongodb';
import { mergeByPosition, type Direction } from './merge-by-position.ts';

/** One page of an action's logs. */
export interface LogPage {
  readonly entries: readonly LogEntry[];
  readonly pagination: LogPagination;
}

/** The fields of an action that reading its logs needs. */
type CountedAction = Pick<ActionDocument, '_id' | 'status' | 'counts' | 'total'>;

/** Number of log documents that the cursor of one partition fetches at a time. */
const FETCH = 4;
/** Maximum number of positions that one page of a running action reads. */
const POSITIONS = 20_000;

/** A page in order of position, and its end. */
interface Run {
  readonly entries: LogEntry[];
  /** Whether outcomes follow or will follow. */
  readonly more: boolean;
  /**
   * Where the next page starts; -1 if there is no outcome yet. In ascending order no outcome up to
   * it is missing.
   */
  readonly upTo: number;
}

/** A page after a number of outcomes. */
interface Skipping {
  readonly type: OutcomeStatus | undefined;
  readonly skip: number;
  readonly limit: number;
  readonly direction: Direction;
}

/**
 * Reads the outcomes of an action in order of position. It merges one cursor per partition of the
 * action's lane.
 */
export class LogReader {
  readonly #database: Database;
  readonly #partitions: number;

  /** @param partitions number of partitions of the lanes' topics. */
  constructor(database: Database, partitions: number) {
    this.#database = database;
    this.#partitions = partitions;
  }

  /**
   * Reads a page. `pagination.total` is the number of outcomes of the type that were counted when
   * the action was read.
   *
   * Outcomes of lower positions may come later, because a batch can be postponed. So a page without
   * `skip` of a running action ends before the first position that has no outcome: a caller that
   * continues there misses nothing. In descending order such a page would be empty until the end,
   * so it holds the outcomes so far.
   *
   * @throws StoreError.
   */
  async page(action: CountedAction, { type, limit, skip, after, sort }: LogsQuery): Promise<LogPage> {
    const total = type === undefined ? processed(action.counts) : action.counts[type];
    const counted = { total, limit, skip: skip ?? 0 };
    try {
      const direction = sort === 'position' ? 1 : -1;
      if (skip !== undefined && after === undefined) {
        const entries = await this.#skipped(action, { type, skip, limit, direction });
        return { entries, pagination: counted };
      }
      const { entries, more, upTo } =
        direction === -1
          ? await this.#descending(action, type, after, limit)
          : isComplete(action)
            ? await this.#ofComplete(action._id, type, after ?? -1, limit)
            : await this.#ofRunning(action._id, type, after ?? -1, limit);
      const next = more && upTo >= 0 ? { next: upTo } : {};
      return { entries, pagination: { ...counted, more, ...next } };
    } catch (error) {
      throw new StoreError(error);
    }
  }

  async #skipped(
    { _id, counts, total }: CountedAction,
    { type, skip, limit, direction }: Skipping,
  ): Promise<LogEntry[]> {
    // If every position has an outcome, the k-th outcome is that of position k, so that a deep page
    // needs no counting.
    const direct = type === undefined && processed(counts) === total;
    const entries: LogEntry[] = [];
    let left = direct ? 0 : skip;
    const after = direction === 1 ? skip - 1 : total - skip;
    for await (const entry of this.#entries(_id, type, direct ? after : undefined, direction)) {
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

  /** Reads all positions, whatever the type, because only they show where an outcome is missing. */
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

  async #descending(
    action: CountedAction,
    type: OutcomeStatus | undefined,
    after: number | undefined,
    limit: number,
  ): Promise<Run> {
    const entries: LogEntry[] = [];
    let upTo = after ?? -1;
    for await (const entry of this.#entries(action._id, type, after, -1)) {
      if (entries.length === limit) return { entries, more: true, upTo };
      entries.push(entry);
      upTo = entry.position;
    }
    return { entries, more: !isComplete(action) && upTo !== 0, upTo };
  }

  /**
   * Reads all outcomes so far, or those of a type, in order of position and on demand.
   *
   * For a running action, outcomes that arrive during the read may be included.
   *
   * @throws StoreError.
   */
  async *all(actionId: string, type: OutcomeStatus | undefined): AsyncGenerator<LogEntry> {
    try {
      yield* this.#entries(actionId, type, undefined);
    } catch (error) {
      throw new StoreError(error);
    }
  }

  #entries(
    actionId: string,
    type: OutcomeStatus | undefined,
    after: number | undefined,
    direction: Direction = 1,
  ): AsyncGenerator<LogEntry> {
    const sources = Array.from({ length: this.#partitions }, (_, partition) => {
      const logs = {
        actionId,
        partition,
        ...(type === undefined ? {} : { [`counts.${type}`]: { $gt: 0 } }),
      };
      return direction === 1 ? this.#ascending(logs, type, after ?? -1) : this.#backwards(logs, type, after);
    });
    return mergeByPosition(sources, after, direction);
  }

  async *#ascending(
    logs: Filter<ActionLogDocument>,
    type: OutcomeStatus | undefined,
    after: number,
  ): AsyncGenerator<LogEntry[]> {
    // This is the order of batchNo, too. The indexes find `after` without a scan of what lies
    // before it, and those of a type hold only the logs with an outcome of the type.
    for await (const log of this.#buckets({ ...logs, lastPosition: { $gt: after } }, 1)) {
      yield entriesOf(log, type);
    }
  }

  async *#backwards(
    logs: Filter<ActionLogDocument>,
    type: OutcomeStatus | undefined,
    before: number | undefined,
  ): AsyncGenerator<LogEntry[]> {
    if (before !== undefined) {
      // The logs of a partition do not overlap, so at most one of them has positions on both sides.
      const [across] = await this.#database.actionLogs
        .find({ ...logs, lastPosition: { $gte: before } }, { sort: { lastPosition: 1 }, limit: 1 })
        .toArray();
      if (across !== undefined && across.firstPosition < before) yield entriesOf(across, type).reverse();
    }
    const below = before === undefined ? {} : { lastPosition: { $lt: before } };
    for await (const log of this.#buckets({ ...logs, ...below }, -1)) yield entriesOf(log, type).reverse();
  }

  async *#buckets(logs: Filter<ActionLogDocument>, direction: Direction): AsyncGenerator<ActionLogDocument> {
    const sort = { lastPosition: direction };
    const cursor = this.#database.actionLogs.find(logs, { sort, batchSize: FETCH });
    try {
      yield* cursor;
    } finally {
      await cursor.close();
    }
  }
}

function entriesOf({ outcomes, at }: ActionLogDocument, type: OutcomeStatus | undefined): LogEntry[] {
  return outcomes
    .filter(({ status }) => type === undefined || status === type)
    .map(({ effect = null, version = null, changes, ...outcome }) => ({
      ...outcome,
      at: at.toISOString(),
      effect,
      version,
      changes: changes === undefined ? null : (parseEntityChanges(changes) ?? null),
    }));
}

/** Returns whether every position has an outcome, whatever the status of the action. */
function isComplete({ counts, total }: CountedAction): boolean {
  return processed(counts) === total;
}
