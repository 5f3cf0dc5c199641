import { DELIMITERS } from '@bulk/contracts';
import { parse } from 'csv-parse/sync';
import { checkEmptyLines } from './empty-lines.ts';

const LF = 0x0a;
const CR = 0x0d;
const QUOTE = 0x22;
/**
 * Excel writes and reads a first line such as `sep=;` as a hint. The delimiter may be a tab, which is white space
 * itself.
 */
const HINT = /^\s*sep=(.)\s*$/iu;

/** The start of a CSV: the content of its first lines, and the bytes that follow the hint. */
export interface CsvStart {
  /** The row that names the columns, as text. */
  readonly header: string;
  /** The delimiter that a line `sep=…` names. The line is no longer in `rest`. */
  readonly hint: string | undefined;
  /** Everything from the header on. */
  readonly rest: AsyncIterable<Buffer>;
  /** Number of lines before `rest`. */
  readonly linesBefore: number;
}

/**
 * Reads a CSV up to the end of its header.
 *
 * @param limits.maxRowBytes maximum size of the header. Only the start of a longer one is returned.
 * @throws InvalidInputError if there are too many empty lines before the header.
 * @throws the errors of `bytes`.
 */
export async function readCsvStart(
  bytes: AsyncIterable<Buffer>,
  { maxRowBytes, maxEmptyLines }: { readonly maxRowBytes: number; readonly maxEmptyLines: number },
): Promise<CsvStart> {
  const lines = new FirstLines(bytes, maxRowBytes);
  let hint: string | undefined;
  for (let linesBefore = 0; ; linesBefore += 1) {
    checkEmptyLines(linesBefore, maxEmptyLines);
    const { text, isLast } = await lines.next();
    const named = HINT.exec(text)?.[1];
    const isHint = named !== undefined && hint === undefined;
    if (!isHint && (text.trim() !== '' || isLast))
      return { header: text, hint, rest: lines.rest(), linesBefore };
    if (isHint) hint = named;
    lines.skip();
    if (isLast) return { header: '', hint, rest: lines.rest(), linesBefore: linesBefore + 1 };
  }
}

/** Reads ahead the first lines of a file. Lines that are not skipped stay in `rest`. */
class FirstLines {
  readonly #source: AsyncIterator<Buffer>;
  readonly #maxBytes: number;
  #read: Buffer = Buffer.alloc(0);
  /** Number of bytes of the line that was read last, with its end. */
  #length = 0;

  constructor(bytes: AsyncIterable<Buffer>, maxBytes: number) {
    this.#source = bytes[Symbol.asyncIterator]();
    this.#maxBytes = maxBytes;
  }

  /** Returns the next line, or the start of one that is too long. `isLast` means that nothing follows it. */
  async next(): Promise<{ text: string; isLast: boolean }> {
    for (let ended = false; ;) {
      const found = lineEnd(this.#read, ended);
      if (found !== undefined) {
        this.#length = found.end;
        return { text: found.text, isLast: ended && found.end === this.#read.length };
      }
      if (this.#read.length > this.#maxBytes)
        return { text: this.#read.subarray(0, this.#maxBytes).toString(), isLast: false };
      const next = await this.#source.next();
      if (next.done === true) ended = true;
      else this.#read = Buffer.concat([this.#read, next.value]);
    }
  }

  skip(): void {
    this.#read = withoutMark(this.#read.subarray(this.#length));
  }

  async *rest(): AsyncGenerator<Buffer> {
    try {
      if (this.#read.length > 0) yield this.#read;
      for (let next = await this.#source.next(); next.done !== true; next = await this.#source.next())
        yield next.value;
    } finally {
      await this.#source.return?.();
    }
  }
}

/**
 * Finds the delimiter of a CSV from its header: the one that results in the most known columns.
 *
 * @param isKnown whether a column of this name is known.
 * @param likely a delimiter that is tried before the usual ones.
 */
export function delimiterOf(header: string, isKnown: (name: string) => boolean, likely?: string): string {
  const usual: readonly string[] = Object.values(DELIMITERS);
  // A quote separates no cells.
  const tried = likely === undefined || likely === '"' ? usual : new Set([likely, ...usual]);
  const candidates = Array.from(tried, (delimiter) => {
    const names = split(header, delimiter);
    return { delimiter, known: names.filter(isKnown).length, columns: names.length };
  });
  // The sort is stable: of equal candidates the most usual one comes first.
  const [best] = candidates.sort((a, b) => b.known - a.known || b.columns - a.columns);
  return best?.delimiter ?? DELIMITERS.comma;
}

/** Splits a header into titles, with as few demands as possible. */
export function split(header: string, delimiter: string): string[] {
  const [names = []] = parse(header, {
    delimiter,
    record_delimiter: ['\r\n', '\n', '\r'],
    relax_quotes: true,
    relax_column_count: true,
    to: 1,
    skip_records_with_error: true,
  });
  return names;
}

/** Returns the first line that ends outside of quotes; undefined if more must be read. */
function lineEnd(read: Buffer, ended: boolean): { text: string; end: number } | undefined {
  let isQuoted = false;
  for (let i = 0; i < read.length; i += 1) {
    const byte = read[i];
    if (byte === QUOTE) isQuoted = !isQuoted;
    if (isQuoted || (byte !== LF && byte !== CR)) continue;
    // Whether an LF belongs to this CR is known only with the next byte.
    if (byte === CR && i + 1 === read.length && !ended) return undefined;
    const end = byte === CR && read[i + 1] === LF ? i + 2 : i + 1;
    return { text: read.subarray(0, i).toString(), end };
  }
  return ended ? { text: read.toString(), end: read.length } : undefined;
}

/** Removes a byte order mark: some tools write it after the hint. */
function withoutMark(read: Buffer): Buffer {
  return read[0] === 0xef && read[1] === 0xbb && read[2] === 0xbf ? read.subarray(3) : read;
}
