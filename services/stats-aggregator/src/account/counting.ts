import { addTallies, EMPTY_TALLY, type Tally } from '@bulk/domain';

/** Where a log that is stored came from; a batch has one log, the first that was stored. */
export interface StoredSource {
  readonly partition: number;
  readonly offset: number;
}

/** A result of an action, as far as counting is concerned. */
export interface Countable {
  readonly tally: Tally;
  readonly source: StoredSource;
  /** The source of the log that is stored for its batch. */
  readonly stored: StoredSource;
}

/** What is to be added to an action's counts. */
export interface Delta {
  readonly tally: Tally;
  /** Batches that the tally counts. */
  readonly batches: number;
  /** Offset up to which the action's counts are complete afterwards, in this partition. */
  readonly applied: number;
}

/**
 * Whether an action whose counts are complete up to `applied` has done with the message at `source`: it was counted, dropped
 * as a repetition, or given up. Whatever it was stays: the message may neither count nor leave a log any more.
 *
 * @param applied of the partition that the message is in; undefined when nothing of it was counted yet.
 */
export function isSettled(source: StoredSource, applied: number | undefined): boolean {
  return applied !== undefined && source.offset <= applied;
}

/**
 * What a run of results of one partition adds to an action whose counts are complete up to `applied` (G3): a result at or
 * below that offset is settled; one whose batch is stored from elsewhere is a repetition and counts nothing, for ever.
 *
 * @param applied undefined when nothing of this partition was counted yet.
 * @returns undefined when there is nothing new, not even an offset.
 */
export function deltaOf(results: readonly Countable[], applied: number | undefined): Delta | undefined {
  const fresh = results.filter(({ source }) => !isSettled(source, applied));
  const last = fresh.at(-1);
  if (last === undefined) return undefined;
  const counted = fresh.filter(({ source, stored }) => isSame(source, stored));
  return {
    tally: counted.reduce((sum, { tally }) => addTallies(sum, tally), EMPTY_TALLY),
    batches: counted.length,
    applied: last.source.offset,
  };
}

function isSame(a: StoredSource, b: StoredSource): boolean {
  return a.partition === b.partition && a.offset === b.offset;
}
