import type { LogEntry, LogPagination, LogsQuery } from '@bulk/contracts';
import { parseEntityChanges, processed, type OutcomeStatus } from '@bulk/domain';
import {
  stored,
  StoreError,
  type ActionDocument,
  type ActionLogDocument,
  type Database,
  type LoggedOutcome,
} from '@bulk/mongo';
import type { Filter } from 'mongodb';
import { ALL, countOf, findsSuccesses, matches, sourcesOf, type LogFilter } from './log-filter.ts';
import { mergeByPosition, type Direction } from './merge-by-position.ts';

/** One page of an action's logs. */
export interface LogPage {
  readonly entries: readonly LogEntry[];
  readonly pagination: LogPagination;
}

/** The fields of an action by which its logs are found. */
type ReadAction = Pick<ActionDocument, '_id' | 'entityType' | 'changes'>;
/** The fields of an action that a page of its logs needs. */
type CountedAction = ReadAction & Pick<ActionDocument, 'counts' | 'codes' | 'total'>;

/** Number of log documents that the cursor of one partition fetches at a time. */
const FETCH = 4;

/** An outcome as its log holds it, with what it shares with the others of the log. */
export interface ReadOutcome extends LoggedOutcome {
  readonly at: Date;
  /** How often the batch was replayed. */
  readonly generation: number;
}

/**
 * Returns how a cursor reads logs. With changes a log holds up to 2 MiB more, so they are left out where they are not
 * needed, and else each cursor holds one log. Outcomes that a replay has replaced are never read.
 *
 * @param withChanges whether the reader needs what the outcomes keep of their changes.
 */
export function logOptions(changes: ActionDocument['changes'], withChanges: boolean): LogOptions {
  return {
    batchSize: withChanges && changes !== undefined ? 1 : FETCH,
    projection: { replaced: 0, ...(withChanges ? {} : { 'outcomes.changes': 0 }) },
  };
}

interface LogOptions {
  readonly batchSize: number;
  readonly projection: Readonly<Record<string, 0>>;
}
/** Maximum number of outcomes that one page reads. */
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
  readonly filter: LogFilter;
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
   * Reads a page. `pagination.total` is the number of outcomes of the type and the codes that were
   * counted when the action was read.
   *
   * Outcomes of lower positions may come later, because a batch can be postponed. So a page without
   * `skip` of a running action ends before the first position that has no outcome: a caller that
   * continues there misses nothing. In descending order such a page would be empty until the end,
   * so it holds the outcomes so far.
   *
   * A page without `skip` reads at most `POSITIONS` outcomes, whatever the filter selects. Then it
   * ends, and `next` is the last position that was read.
   *
   * @throws StoreError.
   */
  async page(action: CountedAction, { limit, skip, after, sort, ...filter }: LogsQuery): Promise<LogPage> {
    const total = countOf(filter, { ...action.counts, codes: action.codes });
    const counted = { total, limit, skip: skip ?? 0 };
    try {
      const direction = sort === 'position' ? 1 : -1;
      if (skip !== undefined && after === undefined) {
        const entries = await this.#skipped(action, { filter, skip, limit, direction });
        return { entries, pagination: counted };
      }
      const { entries, more, upTo } =
        direction === -1
          ? await this.#descending(action, filter, after, limit)
          : isComplete(action)
            ? await this.#bounded(action, filter, after ?? -1, limit, 1)
            : await this.#ofRunning(action, filter, after ?? -1, limit);
      const next = more && upTo >= 0 ? { next: upTo } : {};
      return { entries, pagination: { ...counted, more, ...next } };
    } catch (error) {
      throw new StoreError(error);
    }
  }

  async #skipped(action: CountedAction, { filter, skip, limit, direction }: Skipping): Promise<LogEntry[]> {
    // If every position has an outcome, the k-th outcome is that of position k, so that a deep page
    // needs no counting.
    const direct = filter.type === undefined && isComplete(action);
    const entries: LogEntry[] = [];
    let left = direct ? 0 : skip;
    const after = direction === 1 ? skip - 1 : action.total - skip;
    for await (const entry of this.#entries(action, filter, direct ? after : undefined, direction)) {
      if (left > 0) left -= 1;
      else entries.push(entryOf(entry));
      if (entries.length >= limit) break;
    }
    return entries;
  }

  /** Reads outcomes up to the limits of a page; `more` only says whether these ended it. */
  async #bounded(
    action: CountedAction,
    filter: LogFilter,
    after: number | undefined,
    limit: number,
    direction: Direction,
  ): Promise<Run> {
    const entries: LogEntry[] = [];
    let upTo = after ?? -1;
    let read = 0;
    for await (const entry of this.#entries(action, filter, after, direction)) {
      if (entries.length === limit || read === POSITIONS) return { entries, more: true, upTo };
      read += 1;
      upTo = entry.position;
      if (matches(filter, entry)) entries.push(entryOf(entry));
    }
    return { entries, more: false, upTo };
  }

  /** Reads all positions, whatever the filter, because only they show where an outcome is missing. */
  async #ofRunning(action: CountedAction, filter: LogFilter, after: number, limit: number): Promise<Run> {
    const entries: LogEntry[] = [];
    let upTo = after;
    const withChanges = findsSuccesses(filter);
    for await (const entry of this.#entries(action, ALL, after, 1, withChanges)) {
      if (entry.position !== upTo + 1) break;
      upTo = entry.position;
      if (matches(filter, entry)) entries.push(entryOf(entry));
      if (entries.length === limit || upTo - after === POSITIONS) break;
    }
    return { entries, more: true, upTo };
  }

  async #descending(
    action: CountedAction,
    filter: LogFilter,
    after: number | undefined,
    limit: number,
  ): Promise<Run> {
    const run = await this.#bounded(action, filter, after, limit, -1);
    return run.more ? run : { ...run, more: !isComplete(action) && run.upTo !== 0 };
  }

  /**
   * Reads the outcomes so far that a filter selects, in order of position and on demand.
   *
   * For a running action, outcomes that arrive during the read may be included.
   *
   * @throws StoreError.
   */
  async *all(action: ReadAction, filter: LogFilter = ALL): AsyncGenerator<LogEntry> {
    for await (const outcome of this.outcomes(action, filter)) yield entryOf(outcome);
  }

  /** Reads the same outcomes as `all`, as their logs hold them. @throws StoreError. */
  async *outcomes(action: ReadAction, filter: LogFilter): AsyncGenerator<ReadOutcome> {
    try {
      for await (const outcome of this.#entries(action, filter, undefined)) {
        if (matches(filter, outcome)) yield outcome;
      }
    } catch (error) {
      throw new StoreError(error);
    }
  }

  /** Returns whether the logs still hold every outcome that was counted. @throws StoreError. */
  async holdsAll({ _id: actionId, counts }: Pick<ActionDocument, '_id' | 'counts'>): Promise<boolean> {
    const kept = { $add: ['$counts.success', '$counts.failure', '$counts.skipped'] };
    const [sum] = await stored(
      this.#database.actionLogs
        .aggregate<{ readonly kept: number }>([
          { $match: { actionId } },
          { $group: { _id: null, kept: { $sum: kept } } },
        ])
        .toArray(),
    );
    return (sum?.kept ?? 0) >= processed(counts);
  }

  /**
   * Reads the outcomes of the kinds, and of the partition, in which a filter can find something. The
   * caller compares each of them.
   */
  #entries(
    action: ReadAction,
    filter: LogFilter,
    after: number | undefined,
    direction: Direction = 1,
    withChanges = findsSuccesses(filter),
  ): AsyncGenerator<ReadOutcome> {
    const options = logOptions(action.changes, withChanges);
    const sources = sourcesOf(action, filter, this.#partitions).map(({ logs, type }) =>
      direction === 1
        ? this.#ascending(logs, options, type, after ?? -1)
        : this.#backwards(logs, options, type, after),
    );
    return mergeByPosition(sources, after, direction);
  }

  async *#ascending(
    logs: Filter<ActionLogDocument>,
    options: LogOptions,
    type: OutcomeStatus | undefined,
    after: number,
  ): AsyncGenerator<ReadOutcome[]> {
    // This is the order of batchNo, too. The indexes find `after` without a scan of what lies
    // before it, and those of a type hold only the logs with an outcome of the type.
    for await (const log of this.#buckets({ ...logs, lastPosition: { $gt: after } }, options, 1)) {
      yield outcomesOf(log, type);
    }
  }

  async *#backwards(
    logs: Filter<ActionLogDocument>,
    options: LogOptions,
    type: OutcomeStatus | undefined,
    before: number | undefined,
  ): AsyncGenerator<ReadOutcome[]> {
    if (before !== undefined) {
      // The logs of a partition do not overlap, so at most one of them has positions on both sides.
      const [across] = await this.#database.actionLogs
        .find(
          { ...logs, lastPosition: { $gte: before } },
          { ...options, sort: { lastPosition: 1 }, limit: 1 },
        )
        .toArray();
      if (across !== undefined && across.firstPosition < before) yield outcomesOf(across, type).reverse();
    }
    const below = before === undefined ? {} : { lastPosition: { $lt: before } };
    for await (const log of this.#buckets({ ...logs, ...below }, options, -1))
      yield outcomesOf(log, type).reverse();
  }

  async *#buckets(
    logs: Filter<ActionLogDocument>,
    options: LogOptions,
    direction: Direction,
  ): AsyncGenerator<ActionLogDocument> {
    const sort = { lastPosition: direction };
    const cursor = this.#database.actionLogs.find(logs, { ...options, sort });
    try {
      yield* cursor;
    } finally {
      await cursor.close();
    }
  }
}

/** Returns the outcomes of a log, or those of a type. */
export function outcomesOf(
  { outcomes, at, generation = 0 }: ActionLogDocument,
  type: OutcomeStatus | undefined,
): ReadOutcome[] {
  return outcomes
    .filter(({ status }) => type === undefined || status === type)
    .map((outcome) => ({ ...outcome, at, generation }));
}

/** Returns an outcome as the API shows it. */
export function entryOf(outcome: ReadOutcome): LogEntry {
  const { position, entityId, ref, status, code, message, attempts, at, effect, version, changes } = outcome;
  return {
    position,
    entityId,
    ref,
    status,
    code,
    message,
    attempts,
    at: at.toISOString(),
    effect: effect ?? null,
    version: version ?? null,
    changes: changes === undefined ? null : (parseEntityChanges(changes) ?? null),
  };
}

/** Returns whether every position has an outcome, whatever the status of the action. */
function isComplete({ counts, total }: CountedAction): boolean {
  return processed(counts) === total;
}
