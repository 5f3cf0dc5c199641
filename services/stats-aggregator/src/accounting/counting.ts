import { addTallies, EMPTY_TALLY, subtractTallies, type Tally } from '@bulk/domain';
import type { ResultSource } from '@bulk/mongo';

/**
 * Outcomes that a batch has, or had until a replay replaced them, as the batch's log keeps them.
 */
export interface LoggedVersion {
  readonly generation: number;
  readonly source: ResultSource;
  readonly tally: Tally;
}

/** A result of an action, as counting sees it. */
export interface Countable {
  readonly batchNo: number;
  readonly source: ResultSource;
  /**
   * The logged versions of the result's batch, in ascending order of generation. The result itself
   * may be missing.
   */
  readonly versions: readonly LoggedVersion[];
}

/** Partition of the results topic → offset up to which an action's counts are complete. */
export type Applied = Readonly<Record<string, number>>;

/** What must be added to an action's counts. */
export interface Delta {
  /** Parts of the tally are negative if outcomes were replaced. */
  readonly tally: Tally;
  /** Number of batches that had no outcome yet. */
  readonly batches: number;
  /**
   * Every batch that a new result names, even if that result is a repetition. None of these batches
   * is postponed any more.
   */
  readonly settled?: readonly number[];
  /** Offset up to which the action's counts are complete afterwards, in this partition. */
  readonly applied: number;
  /**
   * What was applied of further partitions when the delta was computed, if the delta depends on it.
   */
  readonly otherPartitions?: Readonly<Record<string, number | undefined>>;
}

/**
 * Returns whether an action whose counts are complete up to `applied` has finished the message at
 * `source`.
 *
 * The message was counted, dropped as a repetition, or given up. That is final: the message may
 * neither count nor leave a log any more.
 */
export function isSettled({ partition, offset }: ResultSource, applied: Applied): boolean {
  const upTo = applied[String(partition)];
  return upTo !== undefined && offset <= upTo;
}

/**
 * Computes what a run of results of one partition adds to the counts of an action (G3).
 *
 * The counts are complete up to `applied`, and a result at or below that offset is settled. A
 * result that is not in the log of its batch is a repetition and never counts. A batch counts as
 * the latest of its settled versions, before and afterwards, and the delta is the difference. The
 * delta depends only on the log and the offsets, so a redelivery, in whatever chunk, adds what the
 * first run would have added.
 *
 * @returns `undefined` if there is nothing new, not even an offset.
 */
export function deltaOf(results: readonly Countable[], applied: Applied): Delta | undefined {
  const fresh = results.filter(({ source }) => !isSettled(source, applied));
  const last = fresh.at(-1);
  if (last === undefined) return undefined;
  const { partition, offset } = last.source;
  const afterwards: Applied = { ...applied, [String(partition)]: offset };
  const versionsOf = new Map(fresh.map(({ batchNo, versions }) => [batchNo, versions]));
  const batches = [...versionsOf.values()];
  const changes = batches.map((versions) => ({
    before: latestSettled(versions, applied),
    after: latestSettled(versions, afterwards),
  }));
  const others = otherPartitions(batches, partition, applied);
  return {
    tally: changes.reduce(
      (sum, { before, after }) => addTallies(sum, subtractTallies(tallyOf(after), tallyOf(before))),
      EMPTY_TALLY,
    ),
    batches: changes.filter(({ before, after }) => before === undefined && after !== undefined).length,
    settled: [...versionsOf.keys()],
    applied: offset,
    ...(others === undefined ? {} : { otherPartitions: others }),
  };
}

/** Returns the version of a batch that the counts hold once they are complete up to `applied`. */
export function latestSettled<T extends Pick<LoggedVersion, 'source'>>(
  versions: readonly T[],
  applied: Applied,
): T | undefined {
  return versions.findLast(({ source }) => isSettled(source, applied));
}

function tallyOf(version: LoggedVersion | undefined): Tally {
  return version?.tally ?? EMPTY_TALLY;
}

/**
 * Returns the applied offsets of other partitions that hold versions of the batches.
 *
 * Versions of one batch lie in several partitions only if the results topic was given more
 * partitions in between.
 */
function otherPartitions(
  batches: readonly (readonly LoggedVersion[])[],
  own: number,
  applied: Applied,
): Delta['otherPartitions'] {
  const others = new Set(batches.flat().map(({ source }) => source.partition));
  others.delete(own);
  return others.size === 0
    ? undefined
    : Object.fromEntries([...others].map((partition) => [String(partition), applied[String(partition)]]));
}
