import type { EntityType } from '@bulk/action-types';
import { EXPORTED_VERSION, type ResultFormat } from '@bulk/contracts';
import type { EntityRecord } from '@bulk/mongo';
import { escapeFormulas } from '@bulk/uploads';
import { stringify } from 'csv-stringify/sync';
import { inPieces } from '../reading/in-pieces.ts';
import { invalidQuery } from './filter-query.ts';

const ID = 'id';

/**
 * Returns the columns of an export: `id`, and the named ones in their order.
 *
 * @param named names with commas between. @default all fields of the type
 * @throws InvalidInputError naming each unknown or repeated name.
 */
export function columnsOf({ recordSchema, name: type }: EntityType, named: string | undefined): string[] {
  const fields = Object.keys(recordSchema.shape);
  if (named === undefined) return [ID, ...fields];
  const known = new Set([ID, EXPORTED_VERSION, ...fields]);
  const names = named.split(',').map((name) => name.trim());
  const issues = names.flatMap((name, i) => {
    if (!known.has(name)) return [{ field: `fields[${i}]`, message: `expected a field of ${type}, found "${name.slice(0, 100)}"` }]; // prettier-ignore
    return names.indexOf(name) < i ? [{ field: `fields[${i}]`, message: `expected each field once, found ${name} again` }] : []; // prettier-ignore
  });
  if (issues.length > 0) throw invalidQuery(issues);
  return [ID, ...names.filter((name) => name !== ID)];
}

export interface RecordsTextOptions {
  readonly format: ResultFormat;
  readonly columns: readonly string[];
  /** Writes the cells of a CSV as they are, even those that a spreadsheet would run as formulas. */
  readonly exact: boolean;
}

/** Yields records as text that an upload reads, piece by piece and on demand. */
export async function* recordsText(
  records: AsyncIterable<EntityRecord>,
  { format, columns, exact }: RecordsTextOptions,
): AsyncGenerator<string> {
  if (format === 'csv') yield stringify([[...columns]]);
  yield* inPieces(records, (rows) =>
    format === 'csv' ? csvRows(rows, columns, exact) : ndjsonRows(rows, columns),
  );
}

/** Returns the row at the end of a broken-off export. No upload takes it: its id is empty, and it has surplus cells. */
export function incompleteRecordsText(
  { code, message }: { readonly code: string; readonly message: string },
  format: ResultFormat,
  columns: readonly string[],
): string {
  if (format === 'ndjson') return `${JSON.stringify({ status: 'incomplete', code, message })}\n`;
  return stringify([['', ...columns.slice(1).map(() => ''), 'incomplete', code, message]]);
}

function csvRows(records: readonly EntityRecord[], columns: readonly string[], exact: boolean): string {
  const rows = records.map((record) => columns.map((column) => cell(valueOf(record, column))));
  return stringify(rows, exact ? {} : { cast: { string: escapeFormulas } });
}

function ndjsonRows(records: readonly EntityRecord[], columns: readonly string[]): string {
  return records
    .map((record) => {
      const values = columns.map((column): [string, unknown] => [column, valueOf(record, column)]);
      return `${JSON.stringify(Object.fromEntries(values.filter(([, value]) => value !== undefined)))}\n`;
    })
    .join('');
}

function valueOf(record: EntityRecord, column: string): unknown {
  if (column === ID) return record.id;
  return column === EXPORTED_VERSION ? record.version : record.fields[column];
}

/** Writes a value as an upload reads it: a text, a number or a boolean as it is, and all else as JSON. */
function cell(value: unknown): string | number | undefined {
  if (value === undefined || typeof value === 'string' || typeof value === 'number') return value;
  return JSON.stringify(value);
}
