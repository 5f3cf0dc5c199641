import type { IncompleteResults, LogEntry } from '@bulk/contracts';
import { stringify } from 'csv-stringify/sync';

/** Rows that are turned into text at once: few, large writes. */
const ROWS = 500;

export const RESULT_FORMATS = ['csv', 'ndjson'] as const;
export type ResultFormat = (typeof RESULT_FORMATS)[number];

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
] as const;

/** Outcomes as text, a piece at a time, as they are asked for. NDJSON: an object per line, as in the logs. */
export async function* resultsText(
  entries: AsyncIterable<LogEntry>,
  format: ResultFormat,
): AsyncGenerator<string> {
  const head = headText(format);
  if (head !== '') yield head;
  let rows: LogEntry[] = [];
  for await (const entry of entries) {
    rows.push(entry);
    if (rows.length < ROWS) continue;
    yield rowsText(rows, format);
    rows = [];
  }
  if (rows.length > 0) yield rowsText(rows, format);
}

/** What comes before the first row. */
export function headText(format: ResultFormat): string {
  return format === 'csv' ? stringify([[...RESULT_COLUMNS]]) : '';
}

export function rowsText(rows: readonly LogEntry[], format: ResultFormat): string {
  return format === 'csv' ? csvRows(rows) : ndjsonRows(rows);
}

/** The row at the end of a text that is broken off; it has a status that no outcome has. */
export function incompleteText({ status, code, message }: IncompleteResults, format: ResultFormat): string {
  if (format === 'ndjson') return `${JSON.stringify({ status, code, message })}\n`;
  const cells: Partial<Record<(typeof RESULT_COLUMNS)[number], string>> = { status, code, message };
  return stringify([RESULT_COLUMNS.map((column) => cells[column])]);
}

function csvRows(rows: readonly LogEntry[]): string {
  return stringify(
    rows.map(({ position, entityId, ref, status, code, message, attempts, at }) => [
      position,
      entityId,
      ref,
      status,
      code,
      message,
      attempts,
      at,
    ]),
  );
}

function ndjsonRows(rows: readonly LogEntry[]): string {
  return rows.map((row) => `${JSON.stringify(row)}\n`).join('');
}
