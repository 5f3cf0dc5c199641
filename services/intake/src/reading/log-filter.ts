import type { LogEntry } from '@bulk/contracts';
import { isCodeOf, processed, type OutcomeStatus, type Tally } from '@bulk/domain';

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
export function kindsOf({ type, code }: LogFilter): readonly (OutcomeStatus | undefined)[] {
  if (code === undefined) return [type];
  // A success has no code.
  if (type === undefined) return ['failure', 'skipped'];
  return type === 'success' ? [] : [type];
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
