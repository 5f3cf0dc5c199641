import { pipeline, Readable } from 'node:stream';
import { changeOf, type NamedFieldChange } from '@bulk/action-types';
import { CodedError, InvalidInputError, type IncomingEntity, type RowIdentity } from '@bulk/domain';
import { CsvError, parse, type Options } from 'csv-parse';
import { cellReader, type CellReader } from './cells.ts';
import { CsvLines } from './csv-lines.ts';
import { csvFault } from './csv-faults.ts';
import { delimiterOf, readCsvStart } from './delimiter.ts';
import { checkEmptyLines } from './empty-lines.ts';
import { utf8Of } from './encoding.ts';
import { entityFault } from './entity.ts';
import { unescapeFormulas } from './formulas.ts';
import { columnsOf, foldName, namesOf, type Column, type HeaderOptions } from './header.ts';
import { RowFaults } from './place.ts';
import { quoted } from './visible.ts';

export interface CsvOptions extends HeaderOptions {
  /** The delimiter. Default: the one that a line `sep=…` names, else the one found in the header. */
  readonly delimiter?: string | undefined;
  /** The charset that `content-type` declares. Default: UTF-8, or the one of a byte order mark. */
  readonly charset?: string | undefined;
  /** Whether formulas in the cells are escaped, as `escapeFormulas` does. @default false */
  readonly escaped?: boolean | undefined;
  /** Maximum size of a row, in bytes. */
  readonly maxRowBytes: number;
  /** Maximum number of lines without a cell. */
  readonly maxEmptyLines: number;
}

interface ReadColumn extends Column {
  readonly read: CellReader;
  /** The change that the column stands for; undefined if it is a field. */
  readonly change: NamedFieldChange | undefined;
}

/**
 * Reads the entities of a CSV (RFC 4180) whose first row names the columns: `id`, optionally `ref` and
 * `expectedVersion`, and fields. A column such as `increment.score` or `addToList.tags` changes the stored value.
 *
 * CR, LF and CRLF each end a row, in any mixture. Empty cells set nothing; see `cellReader` for the others. Rows that
 * are empty, or have only delimiters, are ignored. It holds a few rows at a time.
 *
 * @throws InvalidInputError `INVALID_ENCODING`, `INVALID_HEADER`, `INVALID_ROW` or `ENTITY_TOO_LARGE`, naming up to 20
 *   places and the expected values.
 * @throws UnknownCharsetError, and the errors of `bytes`.
 */
export async function* csvEntities(
  bytes: AsyncIterable<Uint8Array>,
  options: CsvOptions,
): AsyncGenerator<IncomingEntity> {
  const { entityType, charset, maxRowBytes, maxEmptyLines } = options;
  const { header, hint, rest, linesBefore } = await readCsvStart(utf8Of(bytes, charset), options);
  const known = new Set(namesOf(entityType).map(foldName));
  const delimiter = options.delimiter ?? hint ?? delimiterOf(header, (name) => known.has(foldName(name)));
  const lines = new CsvLines(linesBefore);
  const faults = new RowFaults('CSV');
  let columns: readonly (ReadColumn | undefined)[] | undefined;
  let emptyRows = linesBefore;
  // Rows are converted here and not after the stream: a stream that breaks drops the rows that it still holds, and
  // their faults.
  const { identity } = options;
  const take = (record: string[], { lines: parserLines }: { lines: number }): IncomingEntity | undefined => {
    const line = lines.next(record, parserLines);
    if (columns === undefined) {
      columns = readColumns(record, options);
      return undefined;
    }
    if (isEmpty(record)) {
      emptyRows += 1;
      return undefined;
    }
    const entity = entityOf(record, columns, identity, (place, message) =>
      faults.add(`line ${line}${place === '' ? '' : `: ${place}`}`, message),
    );
    faults.afterRow();
    return faults.found ? undefined : entity;
  };
  const parser = parse({
    delimiter,
    record_delimiter: ['\r\n', '\n', '\r'],
    skip_empty_lines: true,
    relax_column_count: true,
    max_record_size: maxRowBytes,
    // Its types allow no other kind of record without `columns`; its code does.
    on_record: take as unknown as NonNullable<Options['on_record']>,
  });
  const checked = async function* (): AsyncGenerator<Buffer> {
    for await (const chunk of rest) {
      yield chunk;
      checkEmptyLines(parser.info.empty_lines + emptyRows, maxEmptyLines);
    }
  };
  // An error of any stream comes out of the iteration of the last one.
  const entities = pipeline(
    Readable.from(checked()),
    parser,
    () => undefined,
  ) as AsyncIterable<IncomingEntity>;
  try {
    yield* entities;
  } catch (error) {
    // After a first fault, rows are read only to find more faults. A later error is not the reason of the refusal.
    faults.throwIfAny();
    if (error instanceof CodedError || !(error instanceof CsvError)) throw error;
    const { tooLarge, cell, message } = csvFault(error, maxRowBytes);
    const title = columns?.[cell]?.title;
    const place = `line ${lines.start}${title === undefined ? '' : `: ${title}`}`;
    if (tooLarge) {
      throw new InvalidInputError('ENTITY_TOO_LARGE', 'an entity is too large', [{ field: place, message }]);
    }
    faults.add(place, message);
  }
  faults.throwIfAny();
}

function readColumns(titles: readonly string[], options: CsvOptions): (ReadColumn | undefined)[] {
  return columnsOf(titles, options).map(
    (column) =>
      column && {
        ...column,
        read: cellsOf(column.name, options),
        change: changeOf(column.name, options.entityType),
      },
  );
}

function cellsOf(column: string, { entityType, escaped = false, identity }: CsvOptions): CellReader {
  const read = cellReader(column, entityType, identity?.by === 'optional-id');
  return escaped ? (text) => read(unescapeFormulas(text)) : read;
}

function isEmpty(record: readonly string[]): boolean {
  return record.every((cell) => cell === '');
}

/** Converts a row. @returns undefined if the row is at fault; `fault` is called with each reason. */
function entityOf(
  record: readonly string[],
  columns: readonly (ReadColumn | undefined)[],
  identity: RowIdentity | undefined,
  fault: (place: string, message: string) => void,
): IncomingEntity | undefined {
  const named = columns.length;
  const surplus = record.findIndex((cell, i) => cell !== '' && columns[i] === undefined);
  if (surplus !== -1) {
    fault(
      '',
      `expected ${cells(named)}, found ${record.length}; cell ${surplus + 1} has no column: ${quoted(record[surplus] ?? '')}`,
    );
    return undefined;
  }
  if (record.length < columns.findLastIndex((column) => column !== undefined) + 1) {
    fault('', `expected ${cells(named)}, found ${record.length}`);
    return undefined;
  }
  const values: [string, unknown][] = [];
  const changes = new Map<string, Record<string, unknown>>();
  for (const [i, column] of columns.entries()) {
    if (column === undefined) continue;
    // Concatenated files have a byte order mark at the start of each.
    const text = i === 0 ? (record[i] ?? '').replace(/^\ufeff/u, '') : (record[i] ?? '');
    const value = column.read(text);
    if (value === undefined) continue;
    const { change } = column;
    if (change === undefined) values.push([column.name, value]);
    else changes.set(change.kind, { ...changes.get(change.kind), [change.field]: value });
  }
  // fromEntries, since a column may be called __proto__.
  const entity: unknown = Object.fromEntries([...values, ...changes]);
  const found = entityFault(entity, identity);
  if (found === undefined) return entity as IncomingEntity;
  fault(found.field, found.message);
  return undefined;
}

function cells(count: number): string {
  return count === 1 ? '1 cell' : `${count} cells`;
}
