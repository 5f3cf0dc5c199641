import type { IncomingRow } from '@bulk/domain';

/**
 * Copies what is noted on a row to the row that takes its place: how it was sent, and which position it tries again. Notes
 * have symbols as their keys, so that they are no fields.
 *
 * @returns the same row.
 */
export function withNotesOf<Row extends IncomingRow>(row: Row, from: IncomingRow): Row {
  for (const key of Object.getOwnPropertySymbols(from)) Reflect.set(row, key, Reflect.get(from, key));
  return row;
}
