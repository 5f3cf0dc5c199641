import type { ResultFormat } from '@bulk/contracts';
import { stringify } from 'csv-stringify/sync';
import { inPieces } from '../reading/in-pieces.ts';
import { asPlainText } from '../reading/plain-text.ts';
import { cellsOf, textOf } from './entity-cells.ts';
import type { SentForm } from '@bulk/mongo';
import { isOwnColumn, OWN_COLUMNS, withoutInvisible, type OwnColumn } from '@bulk/uploads';
import type { InputRow } from './input-reader.ts';
import { rawCells, valueOf } from './raw-cells.ts';

/** Yields outcomes and what was sent as text, piece by piece and on demand. */
export async function* inputText(
  rows: AsyncIterable<InputRow>,
  format: ResultFormat,
  form: SentForm,
): AsyncGenerator<string> {
  const table = tableOf(form);
  if (format === 'csv') yield table.head;
  const line = format === 'csv' ? (row: InputRow): string => table.line(row) : jsonLine;
  yield* inPieces(rows, (piece) => piece.map(line).join(''));
}

/** Returns the line at the end of a broken-off table. It has a status that no outcome has. */
export function incompleteLine(
  { code, message }: { readonly code: string; readonly message: string },
  form: SentForm,
): string {
  return tableOf(form).last({ _status: 'incomplete', _code: code, _message: message });
}

function jsonLine({ entry, entity: { id, ref, fields } }: InputRow): string {
  return `${JSON.stringify({ ...entry, input: { id, ...(ref === null ? {} : { ref }), ...fields } })}\n`;
}

interface Table {
  readonly head: string;
  line(row: InputRow): string;
  /** A line without any cell of the caller. */
  last(own: Partial<Record<OwnColumn, string>>): string;
}

function tableOf(form: SentForm): Table {
  return 'header' in form ? sourceTable(form.header, form.delimiter) : entityTable(form.columns);
}

/** The rows of a CSV as they were sent, cell by cell, without columns of an earlier download. */
function sourceTable(header: string, delimiter: string): Table {
  const titles = rawCells(header, delimiter);
  const kept = titles.flatMap((title, i) => (isDropped(valueOf(title)) ? [] : [i]));
  const sent = (text: string): string => {
    const cells = rawCells(text, delimiter);
    return kept.map((i) => `${cells[i] ?? ''}${delimiter}`).join('');
  };
  const own = (cells: readonly OwnCell[]): string => ownText(cells, delimiter);
  return {
    head: `${sent(header)}${own(OWN_COLUMNS)}`,
    line: (row) => `${sent(row.source ?? '')}${own(ownCells(row))}`,
    last: (cells) => `${sent('')}${own(OWN_COLUMNS.map((column) => cells[column]))}`,
  };
}

/** The entities of a JSON request as an upload would write them. */
function entityTable(names: readonly string[]): Table {
  // A member of an entity may have the name of one of our columns. The upload of the table reads ours.
  const columns = names.filter((name) => !isOwnColumn(name));
  const sent = (values: ReadonlyMap<string, unknown>): string =>
    stringify([columns.map((column) => (values.has(column) ? textOf(values.get(column)) : ''))], {
      record_delimiter: ',',
    });
  const none = new Map<string, unknown>();
  return {
    head: `${stringify([columns], { record_delimiter: ',' })}${ownText(OWN_COLUMNS, ',')}`,
    line: (row) => {
      const { id, ref, fields } = row.entity;
      const values = new Map<string, unknown>([...cellsOf(fields), ['id', id], ...refCell(ref)]);
      return `${sent(values)}${ownText(ownCells(row), ',')}`;
    },
    last: (cells) =>
      `${sent(none)}${ownText(
        OWN_COLUMNS.map((column) => cells[column]),
        ',',
      )}`,
  };
}

function refCell(ref: string | null): [string, string][] {
  return ref === null ? [] : [['ref', ref]];
}

type OwnCell = string | number | null | undefined;

function ownCells({ position, entry }: InputRow): OwnCell[] {
  const { status, code, message, effect, version, entityId } = entry;
  return [position + 1, status, code, message, effect, version, entityId];
}

/** Writes our cells. Only they are escaped, so that a spreadsheet runs none of them as a formula. */
function ownText(cells: readonly OwnCell[], delimiter: string): string {
  return stringify([[...cells]], { delimiter, escape_formulas: true, cast: { string: asPlainText } });
}

/** Returns whether a column is one of an earlier download, or has no title and therefore no cells. */
function isDropped(title: string): boolean {
  return withoutInvisible(title) === '' || isOwnColumn(title);
}
