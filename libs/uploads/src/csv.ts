import type { InvalidRows } from '@bulk/contracts';
import type { FaultyRow, IncomingEntity, IncomingRow } from '@bulk/domain';
import { CsvColumns, type ColumnsOptions } from './csv-columns.ts';
import type { CsvFault } from './csv-faults.ts';
import { CsvRows, type CsvRow } from './csv-rows.ts';
import { delimiterOf, readCsvStart } from './delimiter.ts';
import { checkEmptyLines } from './empty-lines.ts';
import { utf8Of } from './encoding.ts';
import { INCOMPLETE_MESSAGE, isIncompleteRow } from './incomplete.ts';
import { boundsFault, entityFault, knownOf } from './entity.ts';
import { InvalidRowPolicy, type RowFault } from './invalid-rows.ts';
import { foldName, namesOf } from './names.ts';
import { withSource, type SourceFile } from './source.ts';

export interface CsvOptions extends ColumnsOptions {
  /** The delimiter. Default: the one that a line `sep=…` names, else the one found in the header. */
  readonly delimiter?: string | undefined;
  /** A delimiter that the file may have in addition to the usual ones. */
  readonly likelyDelimiter?: string | undefined;
  /** The charset that `content-type` declares. Default: UTF-8, or the one of a byte order mark. */
  readonly charset?: string | undefined;
  /** Maximum size of a row, and of the JSON of its entity, in bytes. */
  readonly maxRowBytes: number;
  /** Number of bytes that a row may have in addition, for columns that set nothing. Default: 0. */
  readonly extraRowBytes?: number;
  /** Maximum number of lines without a cell. */
  readonly maxEmptyLines: number;
  /** What becomes of invalid rows. */
  readonly invalidRows: InvalidRows;
  /** Whether each row carries how it was sent, for `sourceOf`. Default: false. */
  readonly keepSource?: boolean;
}

/**
 * Reads the rows of a CSV (RFC 4180) whose first row names the columns: `id`, optionally `ref` and `expectedVersion`,
 * and fields. A column such as `increment.score` or `addToList.tags` changes the stored value.
 *
 * CR, LF and CRLF each end a row, in any mixture. Empty cells set nothing; see `cellReader` for the others. Rows that
 * are empty, or have only delimiters, are ignored. It holds one chunk and one row at a time.
 *
 * An invalid row becomes a `FaultyRow`, or the file is refused because of it, as `invalidRows` says. A file is always
 * refused if its rows cannot be separated; see `CsvRows`.
 *
 * @throws InvalidInputError `INVALID_ENCODING`, `INVALID_HEADER`, `INVALID_ROW` or `ENTITY_TOO_LARGE`, naming up to 20
 *   places and the expected values.
 * @throws UnknownCharsetError, and the errors of `bytes`.
 */
export async function* csvEntities(
  bytes: AsyncIterable<Uint8Array>,
  options: CsvOptions,
): AsyncGenerator<IncomingRow> {
  const { entityType, charset, invalidRows, likelyDelimiter, maxEmptyLines } = options;
  const maxRowBytes = options.maxRowBytes + (options.extraRowBytes ?? 0);
  const start = await readCsvStart(utf8Of(bytes, charset), { maxRowBytes, maxEmptyLines });
  const { header, hint, rest, linesBefore } = start;
  const known = new Set([...namesOf(entityType), ...Object.keys(options.columns ?? {})].map(foldName));
  const found = (): string => delimiterOf(header, (name) => known.has(foldName(name)), likelyDelimiter);
  const delimiter = options.delimiter ?? hint ?? found();
  const rows = new CsvRows({
    delimiter,
    maxRowBytes,
    linesBefore,
    skipsLargeRows: invalidRows === 'fail',
  });
  const policy = new InvalidRowPolicy('CSV', invalidRows);
  const reader = new RowReader(options, policy, delimiter, linesBefore);
  try {
    for await (const chunk of rest) {
      for (const row of rows.take(chunk)) {
        const read = reader.read(row);
        if (read !== undefined) yield read;
      }
    }
    for (const row of rows.end()) {
      const read = reader.read(row);
      if (read !== undefined) yield read;
    }
  } catch (error) {
    // After a first fault, rows are read only to find more faults. A later error is not the reason of the refusal.
    policy.throwIfRefused();
    throw error;
  }
  policy.throwIfRefused();
}

/** Converts the rows of one file. */
class RowReader {
  readonly #options: CsvOptions;
  readonly #policy: InvalidRowPolicy;
  readonly #delimiter: string;
  #columns: CsvColumns | undefined;
  #titles: readonly string[] = [];
  #file: SourceFile;
  #emptyRows: number;

  constructor(options: CsvOptions, policy: InvalidRowPolicy, delimiter: string, linesBefore: number) {
    this.#options = options;
    this.#policy = policy;
    this.#delimiter = delimiter;
    this.#file = { header: '', delimiter };
    this.#emptyRows = linesBefore;
  }

  /**
   * Takes the next row; the first one names the columns.
   *
   * @returns undefined if the row is empty or the header, or the file is going to be refused.
   * @throws InvalidInputError if the file cannot be read any further.
   */
  read(row: CsvRow): IncomingRow | undefined {
    const { fault, bytes } = row;
    if (fault !== undefined && (fault.fatal || this.#columns === undefined)) this.#refuse(row, fault);
    if (bytes?.length === 0 || (this.#columns !== undefined && isEmpty(row))) {
      this.#emptyRows += 1;
      checkEmptyLines(this.#emptyRows, this.#options.maxEmptyLines);
      return undefined;
    }
    if (this.#columns === undefined) {
      this.#columns = new CsvColumns(row.cells, this.#options);
      this.#titles = row.cells;
      const { columns, escaped } = this.#options;
      this.#file = { header: bytes?.toString() ?? '', delimiter: this.#delimiter, columns, escaped };
      return undefined;
    }
    if (isIncompleteRow(row.cells, this.#titles)) this.#refuse(row);
    const incoming = this.#convert(row, this.#columns);
    this.#policy.afterRow();
    if (incoming === undefined || this.#policy.refuses) return undefined;
    return this.#options.keepSource === true ? this.#sourced(incoming, row, this.#columns) : incoming;
  }

  /** @param fault absent if the row says that the file is incomplete. */
  #refuse({ line }: CsvRow, fault?: CsvFault): void {
    if (fault === undefined) this.#policy.refuse({ line, message: INCOMPLETE_MESSAGE });
    else {
      const { cell, message, code } = fault;
      this.#policy.refuse({ line, name: this.#columns?.titleAt(cell), message, code });
    }
    this.#policy.throwIfRefused();
  }

  #convert({ line, cells, bytes, fault }: CsvRow, columns: CsvColumns): IncomingRow | undefined {
    const ragged = columns.faultOf(cells);
    // A cell that is missing or added gives the others to wrong columns, so that no cell is known. Of a row that is too
    // large, only the end was cut.
    const values = ragged === undefined || bytes === undefined ? columns.convert(cells) : {};
    const faulty = (found: Omit<RowFault, 'line'>): FaultyRow | undefined =>
      this.#policy.take({ line, ...found }, knownOf(values));
    if (fault !== undefined) return faulty({ ...fault, name: columns.titleAt(fault.cell) });
    if (ragged !== undefined) return faulty({ message: ragged });
    const invalid = entityFault(values, this.#options.identity);
    if (invalid !== undefined)
      return faulty({ name: columns.titleOf(invalid.field) ?? invalid.field, message: invalid.message });
    const entity = values as IncomingEntity;
    const beyond = boundsFault(entity, {
      rowBytes: bytes?.length ?? 0,
      keyBytes: columns.keyBytes,
      maxBytes: this.#options.maxRowBytes,
    });
    return beyond === undefined ? entity : faulty(beyond);
  }

  #sourced(incoming: IncomingRow, { bytes, cells, line }: CsvRow, columns: CsvColumns): IncomingRow {
    const text = bytes?.toString() ?? null;
    return withSource(incoming, {
      text,
      line,
      own: columns.ownCells(cells),
      isAligned: columns.isAligned(cells),
      file: this.#file,
    });
  }
}

function isEmpty({ cells, fault }: CsvRow): boolean {
  return fault === undefined && cells.every((cell) => cell === '');
}
