import type { LogEntry } from '@bulk/contracts';
import { isCodeOf, partitionOf, processed, type OutcomeStatus, type Tally } from '@bulk/domain';
import type { ActionDocument, ActionLogDocument } from '@bulk/mongo';
import type { Filter } from 'mongodb';

/** Selects outcomes of an action. An outcome matches if it matches each condition that is given. */
export interface LogFilter {
  readonly type?: OutcomeStatus | undefined;
  /** The code of a failure or skip is one of these. */
  readonly code?: readonly string[] | undefined;
  readonly id?: string | undefined;
  readonly ref?: string | undefined;
}

/** Selects every outcome. */
export const ALL: LogFilter = {};

/** Returns whether an outcome is selected. */
export function matches(
  { type, code, id, ref }: LogFilter,
  entry: Pick<LogEntry, 'status' | 'code' | 'entityId' | 'ref'>,
): boolean {
  if (type !== undefined && entry.status !== type) return false;
  if (code !== undefined && (entry.code === null || !code.includes(entry.code))) return false;
  return (id === undefined || entry.entityId === id) && (ref === undefined || entry.ref === ref);
}

/**
 * Returns the kinds of outcomes that can match. Each has an index of its own, which leaves out the logs without such
 * an outcome. `undefined` stands for all kinds.
 */
function kindsOf({ type, code }: LogFilter): readonly (OutcomeStatus | undefined)[] {
  if (code === undefined) return [type];
  // A success has no code.
  if (type === undefined) return ['failure', 'skipped'];
  return type === 'success' ? [] : [type];
}

/** The logs of one partition in which a filter can find outcomes of a kind. */
export interface LogSource {
  readonly logs: Filter<ActionLogDocument>;
  /** Only outcomes of this kind are meant; undefined stands for all kinds. */
  readonly type: OutcomeStatus | undefined;
}

/**
 * Returns the sources of an action in which a filter can find something. A log may have outcomes of two kinds: each source
 * means those of one, so that none comes twice.
 *
 * @param partitions number of partitions of the lanes' topics.
 */
export function sourcesOf(
  { _id: actionId, entityType }: Pick<ActionDocument, '_id' | 'entityType'>,
  filter: LogFilter,
  partitions: number,
): LogSource[] {
  const searched =
    filter.id === undefined
      ? Array.from({ length: partitions }, (_, partition) => partition)
      : [partitionOf(entityType, filter.id, partitions)];
  return searched.flatMap((partition) =>
    kindsOf(filter).map((type) => ({
      logs: { actionId, partition, ...(type === undefined ? {} : { [`counts.${type}`]: { $gt: 0 } }) },
      type,
    })),
  );
}

/** Returns whether a success can match. Only successes keep what they changed. */
export function findsSuccesses(filter: LogFilter): boolean {
  return kindsOf(filter).some((type) => type === undefined || type === 'success');
}

/**
 * Returns the number of counted outcomes that match `type` and `code`. It is an upper bound if an action type gives a code
 * of its own to failures and to skips, because the counts do not distinguish them.
 */
export function countOf({ type, code }: LogFilter, { codes, ...counts }: Tally): number {
  const ofType = type === undefined ? processed(counts) : counts[type];
  if (code === undefined) return ofType;
  const possible = [...new Set(code)].filter((each) => type === undefined || isCodeOf(type, each));
  return Math.min(
    ofType,
    possible.reduce((sum, each) => sum + (codes[each] ?? 0), 0),
  );
}
