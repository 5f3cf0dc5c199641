import { pipeline, Readable } from 'node:stream';
import type { EntityType } from '@bulk/actions';
import { CodedError, InvalidInputError, type FieldIssue, type IncomingEntity } from '@bulk/domain';
import { CsvError, parse } from 'csv-parse';
import { cellReader, type CellReader } from './csv-cells.ts';
import { checkedEntity } from './ndjson.ts';

export interface CsvOptions {
  readonly delimiter: string;
  readonly entityType: EntityType;
  /** Longest row, in characters. */
  readonly maxRowLength: number;
  /** Those of the columns that the action can do nothing with. */
  readonly unknownColumns: (columns: readonly string[]) => readonly string[];
}

interface Row {
  readonly record: readonly string[];
  readonly info: { readonly lines: number };
}

interface Column {
  readonly name: string;
  readonly read: CellReader;
}

/**
 * The entities of a CSV (RFC 4180) whose first row names the columns: `id`, perhaps `ref` and `expectedVersion`, and
 * fields. Empty cells say nothing; see `cellReader` for the others. Holds a few rows at a time.
 *
 * @throws InvalidInputError naming the line and what was expected; what `bytes` throws.
 */
export async function* csvEntities(
  bytes: AsyncIterable<Buffer>,
  options: CsvOptions,
): AsyncGenerator<IncomingEntity> {
  const { delimiter, maxRowLength } = options;
  const parser = parse({
    bom: true,
    info: true,
    delimiter,
    skip_empty_lines: true,
    max_record_size: maxRowLength,
  });
  // What breaks comes out of the iteration of the last stream.
  const rows = pipeline(Readable.from(bytes), parser, () => undefined) as AsyncIterable<Row>;
  let columns: readonly Column[] | undefined;
  try {
    for await (const { record, info } of rows) {
      if (columns === undefined) columns = columnsOf(record, options);
      else yield entityOf(record, columns, info.lines);
    }
  } catch (error) {
    if (error instanceof CodedError || !(error instanceof CsvError)) throw error;
    throw invalidCsv(error);
  }
}

function columnsOf(record: readonly string[], { entityType, unknownColumns }: CsvOptions): Column[] {
  const names = record.map((name) => name.trim());
  const issues: FieldIssue[] = [];
  names.forEach((name, i) => {
    const field = `column ${i + 1}`;
    if (name === '') issues.push({ field, message: 'expected a name in the first row' });
    else if (names.indexOf(name) !== i) issues.push({ field, message: `"${name}" is named twice` });
  });
  if (!names.includes('id')) {
    issues.push({ field: 'id', message: `expected a column id, found ${names.join(', ')}` });
  }
  const own = names.filter((name) => !['', 'id', 'ref'].includes(name));
  for (const name of unknownColumns(own)) issues.push({ field: name, message: 'unknown field' });
  if (issues.length > 0) {
    throw new InvalidInputError('INVALID_HEADER', 'the first row of the CSV is invalid', issues);
  }
  return names.map((name) => ({ name, read: cellReader(name, entityType) }));
}

function entityOf(record: readonly string[], columns: readonly Column[], line: number): IncomingEntity {
  const cells = columns.flatMap(({ name, read }, i): [string, unknown][] => {
    const value = read(record[i] ?? '');
    return value === undefined ? [] : [[name, value]];
  });
  // fromEntries, since a column may be called __proto__.
  return checkedEntity(Object.fromEntries(cells), (field, message) =>
    invalidRow(`line ${line}${field === '' ? '' : `: ${field}`}`, message),
  );
}

/** What csv-parse found, in our words where its own are about its options. */
function invalidCsv(error: CsvError): InvalidInputError {
  const line = typeof error['lines'] === 'number' ? `line ${error['lines']}` : '(body)';
  if (error.code === 'CSV_MAX_RECORD_SIZE') {
    return new InvalidInputError('ENTITY_TOO_LARGE', 'an entity is too large', [
      { field: line, message: 'expected a shorter row, or the closing quote of a cell' },
    ]);
  }
  return invalidRow(line, error.message);
}

function invalidRow(field: string, message: string): InvalidInputError {
  return new InvalidInputError('INVALID_ROW', 'a row of the CSV is invalid', [{ field, message }]);
}
