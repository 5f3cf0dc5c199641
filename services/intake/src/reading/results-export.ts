import type { IncompleteResults, LogEntry, ResultFormat } from '@bulk/contracts';
import { stringify } from 'csv-stringify/sync';
import { inPieces } from './in-pieces.ts';
import { asPlainText } from './plain-text.ts';

/** The columns of a CSV of results, in this order. */
export const RESULT_COLUMNS = [
  'position',
  'id',
  'ref',
  'status',
  'code',
  'message',
  'attempts',
  'at',
  'effect',
  'version',
] as const;

/** The last column, if the action keeps its changes. */
const CHANGES_COLUMN = 'changes';

/** What decides about the columns of a row. */
export interface ResultsColumns {
  readonly format: ResultFormat;
  /** Adds a column with the changes as JSON to a CSV. @default false */
  readonly withChanges?: boolean;
}

export interface ResultsTextOptions extends ResultsColumns {
  /**
   * Writes the cells of a CSV as they are, even those that a spreadsheet would run as formulas.
   * @default false
   */
  readonly exact?: boolean;
}

/**
 * Yields outcomes as text, piece by piece and on demand. NDJSON has one object per line, as in the
 * logs.
 */
export async function* resultsText(
  entries: AsyncIterable<LogEntry>,
  options: ResultsTextOptions,
): AsyncGenerator<string> {
  const head = headText(options);
  if (head !== '') yield head;
  yield* inPieces(entries, (rows) => rowsText(rows, options));
}

/** Returns the text before the first row. */
function headText(options: ResultsColumns): string {
  return options.format === 'csv' ? stringify([columnsOf(options)]) : '';
}

function columnsOf({ withChanges = false }: ResultsColumns): string[] {
  return withChanges ? [...RESULT_COLUMNS, CHANGES_COLUMN] : [...RESULT_COLUMNS];
}

/** Writes outcomes in a format. */
function rowsText(
  rows: readonly LogEntry[],
  { format, exact = false, withChanges = false }: ResultsTextOptions,
): string {
  return format === 'csv' ? csvRows(rows, exact, withChanges) : ndjsonRows(rows);
}

/** Returns the row at the end of a broken-off text. It has a status that no outcome has. */
export function incompleteText(
  { status, code, message }: IncompleteResults,
  options: ResultsColumns,
): string {
  if (options.format === 'ndjson') return `${JSON.stringify({ status, code, message })}\n`;
  const cells = new Map<string, string>(Object.entries({ status, code, message }));
  return stringify([columnsOf(options).map((column) => cells.get(column))]);
}

function csvRows(rows: readonly LogEntry[], exact: boolean, withChanges: boolean): string {
  return stringify(
    rows.map(({ position, entityId, ref, status, code, message, attempts, at, effect, version, changes }) => [
      position,
      entityId,
      ref,
      status,
      code,
      message,
      attempts,
      at,
      effect,
      version,
      ...(withChanges ? [changes === null ? null : JSON.stringify(changes)] : []),
    ]),
    exact ? {} : { escape_formulas: true, cast: { string: asPlainText } },
  );
}

function ndjsonRows(rows: readonly LogEntry[]): string {
  return rows.map((row) => `${JSON.stringify(row)}\n`).join('');
}
