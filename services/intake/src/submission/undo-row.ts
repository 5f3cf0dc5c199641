import type { UndoneChange } from '@bulk/action-types';
import {
  FaultyRow,
  isDeeperThan,
  MAX_DEPTH,
  OUTCOME_CODES,
  parseEntityChanges,
  type IncomingRow,
} from '@bulk/domain';
import type { ReadOutcome } from '../reading/log-reader.ts';

/** Number of bytes of a row in addition to its id, its ref and the values. */
const ROW_BYTES = 128;

/**
 * Builds the row of an undo from the outcome of a success.
 *
 * @param isRetry whether the action is a retry of another one.
 * @param maxBytes maximum size of a row, in bytes of JSON.
 * @returns undefined if the action left the record as it was. A `FaultyRow` if it cannot be put back.
 */
export function undoRowOf(
  { entityId: id, ref, at, generation, effect, version, changes: text }: ReadOutcome,
  isRetry: boolean,
  maxBytes: number,
): IncomingRow | undefined {
  // A repetition finds unchanged what an earlier run has changed whose outcome was lost.
  const isRepeated = generation > 0 || isRetry;
  if (effect === 'unchanged') return isRepeated ? faulty('CHANGES_NOT_KEPT', id, ref) : undefined;
  const changes = text === undefined ? undefined : parseEntityChanges(text);
  // What was created is deleted, and that needs no values.
  const before = effect === 'created' ? {} : changes?.before;
  if (effect !== undefined && version !== undefined && before !== undefined) {
    const size = Buffer.byteLength(JSON.stringify({ id, ref, before })) + ROW_BYTES;
    const fields: UndoneChange = { effect, version, at: at.toISOString(), before };
    if (size > maxBytes || isDeeperThan(fields, MAX_DEPTH)) return faulty('CHANGES_TRUNCATED', id, ref);
    return { ...fields, id, ...(ref === null ? {} : { ref }) };
  }
  return faulty(changes?.changesTruncated === true ? 'CHANGES_TRUNCATED' : 'CHANGES_NOT_KEPT', id, ref);
}

const MESSAGES = {
  CHANGES_TRUNCATED: 'the values before the change are too large, or nested too deeply, to put back',
  CHANGES_NOT_KEPT: 'the action kept nothing of the change of this record',
} as const satisfies Partial<Record<keyof typeof OUTCOME_CODES, string>>;

function faulty(code: keyof typeof MESSAGES, id: string, ref: string | null): FaultyRow {
  return new FaultyRow({ code: OUTCOME_CODES[code], message: MESSAGES[code] }, { id, ref });
}
