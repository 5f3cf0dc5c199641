import { addTallies, EMPTY_TALLY, subtractTallies, type Tally } from '@bulk/domain';
import type { ResultSource } from '@bulk/mongo';

/** Outcomes that a batch has, or had until a replay replaced them, as its log keeps them. */
export interface LoggedVersion {
  readonly generation: number;
  readonly source: ResultSource;
  readonly tally: Tally;
}

/** A result of an action, as far as counting is concerned. */
export interface Countable {
  readonly batchNo: number;
  readonly source: ResultSource;
  /** What is logged of its batch, in ascending order of generation; the result itself may be none of it. */
  readonly versions: readonly LoggedVersion[];
}

/** Partition of the results topic → offset up to which an action's counts are complete. */
export type Applied = Readonly<Record<string, number>>;

/** What is to be added to an action's counts. */
export interface Delta {
  /** Parts of it are negative where outcomes were replaced. */
  readonly tally: Tally;
  /** Batches that had no outcome yet. */
  readonly batches: number;
  /** Every batch that a new result names, also where that result is a repetition: none of them is postponed any more. */
  readonly settled?: readonly number[];
  /** Offset up to which the action's counts are complete afterwards, in this partition. */
  readonly applied: number;
  /** What was applied of further partitions when the delta was computed, where it depends on that. */
  readonly otherPartitions?: Readonly<Record<string, number | undefined>>;
}

/**
 * Whether an action whose counts are complete up to `applied` has done with the message at `source`: it was counted, dropped
 * as a repetition, or given up. Whatever it was stays: the message may neither count nor leave a log any more.
 */
export function isSettled({ partition, offset }: ResultSource, applied: Applied): boolean {
  const upTo = applied[String(partition)];
  return upTo !== undefined && offset <= upTo;
}

/**
 * What a run of results of one partition adds to an action whose counts are complete up to `applied` (G3): a result at or
 * below that offset is settled; one that is not in the log of its batch is a repetition and counts nothing, for ever.
 *
 * A batch counts as the latest of its versions that is settled, before and afterwards; what is added is the difference. That
 * depends on nothing but the log and the offsets, so a redelivery, in whatever company, adds what the first run would have.
 *
 * @returns undefined when there is nothing new, not even an offset.
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

/** The version of a batch that the counts hold once they are complete up to `applied`. */
export function latestSettled<T extends Pick<LoggedVersion, 'source'>>(
  versions: readonly T[],
  applied: Applied,
): T | undefined {
  return versions.findLast(({ source }) => isSettled(source, applied));
}

function tallyOf(version: LoggedVersion | undefined): Tally {
  return version?.tally ?? EMPTY_TALLY;
}

/** Versions of one batch lie in several partitions only where the results topic was given more of them in between. */
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
