import {
  closingQuoteFault,
  misplacedQuoteFault,
  quoteNotClosedFault,
  tooLargeFault,
  type CsvFault,
} from './csv-faults.ts';

const LF = 0x0a;
const CR = 0x0d;
const QUOTE = 0x22;

/** A row of a CSV, before anyone knows its columns. */
export interface CsvRow {
  /** The 1-based line of the file at which the row starts. */
  readonly line: number;
  /** The values of the cells. Of a row at fault, those that can be read. */
  readonly cells: readonly string[];
  /** The bytes of the row without its line end; undefined if the row is too large to be held. */
  readonly bytes: Buffer | undefined;
  readonly fault?: CsvFault;
}

export interface CsvRowsOptions {
  readonly delimiter: string;
  /** Maximum size of a row, in bytes. */
  readonly maxRowBytes: number;
  /** Whether reading continues after a row that is too large, if the end of that row is certain. */
  readonly skipsLargeRows: boolean;
  /** Number of lines of the file before those that `take` gets. */
  readonly linesBefore: number;
}

const CELL_START = 0;
const PLAIN = 1;
const QUOTED = 2;
const AFTER_QUOTE = 3;

/**
 * Splits a CSV (RFC 4180) into rows, chunk by chunk. CR, LF and CRLF each end a row, in any mixture. It holds at most
 * one chunk and one row of `maxRowBytes`.
 *
 * After a row whose fault is `fatal`, nobody knows where the next row starts, and no further row comes. That holds for
 * text after a closing quote, for a quote that is not closed, and for a row that is too large and has a line break
 * within quotes: such a row has probably swallowed others.
 */
export class CsvRows {
  readonly #options: CsvRowsOptions;
  readonly #delimiter: Buffer;
  readonly #firstOfDelimiter: number;
  #state: number = CELL_START;
  /** The parts of the current row in earlier chunks, at most `maxRowBytes`, and the size of all its parts. */
  #parts: Buffer[] = [];
  #size = 0;
  #cell = 0;
  #fault: CsvFault | undefined;
  #breaksWithinQuotes = false;
  #line: number;
  #startLine: number;
  #lastByte = 0;
  #ended = false;

  constructor(options: CsvRowsOptions) {
    this.#options = options;
    this.#delimiter = Buffer.from(options.delimiter);
    this.#firstOfDelimiter = this.#delimiter[0] ?? 0;
    this.#line = options.linesBefore + 1;
    this.#startLine = this.#line;
  }

  /** Yields the rows that end in the next chunk of valid UTF-8. A chunk ends between two characters. */
  *take(chunk: Buffer): Generator<CsvRow> {
    let start = 0;
    for (let i = 0; i < chunk.length && !this.#ended; i += 1) {
      const byte = chunk[i];
      if (this.#state === QUOTED) {
        if (byte === QUOTE) this.#state = AFTER_QUOTE;
        else if (byte === CR || byte === LF)
          this.#noteBreakWithinQuotes(byte, i === 0 ? this.#lastByte : chunk[i - 1]);
      } else if (byte === CR || byte === LF) {
        const previous = i === 0 ? this.#lastByte : chunk[i - 1];
        const isSecondOfCrLf = byte === LF && previous === CR && i === start && this.#size === 0;
        if (!isSecondOfCrLf) yield this.#row(chunk.subarray(start, i));
        start = i + 1;
      } else if (byte === this.#firstOfDelimiter && this.#isDelimiter(chunk, i)) {
        this.#state = CELL_START;
        this.#cell += 1;
        i += this.#delimiter.length - 1;
      } else if (byte !== QUOTE) {
        if (this.#state === AFTER_QUOTE) yield this.#broken(closingQuoteFault(this.#cell));
        this.#state = PLAIN;
      } else if (this.#state === PLAIN) this.#fault ??= misplacedQuoteFault(this.#cell);
      else this.#state = QUOTED;
    }
    if (this.#ended || chunk.length === 0) return;
    this.#lastByte = chunk[chunk.length - 1] ?? 0;
    this.#keep(chunk.subarray(start));
    if (this.#isHopeless()) yield this.#broken(tooLargeFault(this.#cell, this.#options.maxRowBytes));
  }

  /** Yields the last row, if no line end follows it. */
  *end(): Generator<CsvRow> {
    if (this.#ended) return;
    if (this.#state === QUOTED) yield this.#broken(quoteNotClosedFault(this.#cell));
    else if (this.#size > 0) yield this.#row(Buffer.alloc(0));
  }

  #isDelimiter(chunk: Buffer, at: number): boolean {
    const { length } = this.#delimiter;
    return length === 1 || chunk.subarray(at, at + length).equals(this.#delimiter);
  }

  #noteBreakWithinQuotes(byte: number, previous: number | undefined): void {
    this.#breaksWithinQuotes = true;
    if (byte === CR || previous !== CR) this.#line += 1;
  }

  #keep(part: Buffer): void {
    const room = this.#options.maxRowBytes - this.#size;
    if (room > 0 && part.length > 0) this.#parts.push(part.subarray(0, room));
    this.#size += part.length;
  }

  #isHopeless(): boolean {
    const { maxRowBytes, skipsLargeRows } = this.#options;
    return this.#size > maxRowBytes && (this.#breaksWithinQuotes || !skipsLargeRows);
  }

  #broken(fault: CsvFault): CsvRow {
    this.#ended = true;
    return { line: this.#startLine, cells: [], bytes: undefined, fault: { ...fault, fatal: true } };
  }

  #row(last: Buffer): CsvRow {
    const { maxRowBytes } = this.#options;
    this.#keep(last);
    if (this.#isHopeless()) return this.#broken(tooLargeFault(this.#cell, maxRowBytes));
    const isTooLarge = this.#size > maxRowBytes;
    const bytes = this.#parts.length === 1 ? (this.#parts[0] ?? last) : Buffer.concat(this.#parts);
    const cells = this.#cellsOf(bytes);
    const fault = isTooLarge ? tooLargeFault(cells.length - 1, maxRowBytes) : this.#fault;
    const row = {
      line: this.#startLine,
      // The last one was cut.
      cells: isTooLarge ? cells.slice(0, -1) : cells,
      bytes: isTooLarge ? undefined : bytes,
      ...(fault === undefined ? {} : { fault }),
    };
    this.#line += 1;
    this.#startLine = this.#line;
    this.#state = CELL_START;
    this.#parts = [];
    this.#size = 0;
    this.#cell = 0;
    this.#fault = undefined;
    this.#breaksWithinQuotes = false;
    return row;
  }

  #cellsOf(row: Buffer): string[] {
    const cells: string[] = [];
    for (let from = 0; ; from += this.#delimiter.length) {
      if (row[from] === QUOTE) {
        const end = closingQuote(row, from + 1);
        const text = row.toString('utf8', from + 1, end);
        cells.push(text.includes('"') ? text.replaceAll('""', '"') : text);
        from = end + 1;
      } else {
        let end = from;
        while (end < row.length && !(row[end] === this.#firstOfDelimiter && this.#isDelimiter(row, end)))
          end += 1;
        cells.push(row.toString('utf8', from, end));
        from = end;
      }
      if (from >= row.length) return cells;
    }
  }
}

/** Returns the index of the quote that ends a cell; the end of the row if it was cut within the cell. */
function closingQuote(row: Buffer, from: number): number {
  for (let at = from; ; at += 2) {
    at = row.indexOf(QUOTE, at);
    if (at === -1) return row.length;
    if (row[at + 1] !== QUOTE) return at;
  }
}
