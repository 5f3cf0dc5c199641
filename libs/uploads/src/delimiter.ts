import { DELIMITERS } from '@bulk/contracts';
import { parse } from 'csv-parse/sync';
import { checkEmptyLines } from './empty-lines.ts';

const LF = 0x0a;
const CR = 0x0d;
const QUOTE = 0x22;
/** Excel writes and reads a first line such as `sep=;` as a hint; the delimiter may be a tab, which is white space itself. */
const HINT = /^\s*sep=(.)\s*$/iu;

/** The start of a CSV: what its first lines say, and the bytes that follow the hint. */
export interface CsvStart {
  /** The row that names the columns, as text. */
  readonly header: string;
  /** Named by a line `sep=…`, which is no longer in `rest`. */
  readonly hint: string | undefined;
  /** Everything from the header on. */
  readonly rest: AsyncIterable<Buffer>;
  /** Lines before `rest`. */
  readonly linesBefore: number;
}

/**
 * Reads a CSV as far as the end of its header.
 *
 * @param limits.maxRowBytes longest header; of a longer one only the beginning is given.
 * @throws InvalidInputError when too many lines before the header are empty; what `bytes` throws.
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

/** Looks at the first lines of a file; what is not skipped is still in `rest`. */
class FirstLines {
  readonly #source: AsyncIterator<Buffer>;
  readonly #maxBytes: number;
  #read: Buffer = Buffer.alloc(0);
  /** Bytes of the line that was looked at, with its end. */
  #length = 0;

  constructor(bytes: AsyncIterable<Buffer>, maxBytes: number) {
    this.#source = bytes[Symbol.asyncIterator]();
    this.#maxBytes = maxBytes;
  }

  /** The next line; of one that is too long only the beginning. `isLast`: nothing follows it. */
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
 * Finds the delimiter of a CSV from its header: the one that yields the most columns that are known.
 *
 * @param isKnown whether a column of this name is known.
 */
export function delimiterOf(header: string, isKnown: (name: string) => boolean): string {
  const candidates = Object.values(DELIMITERS).map((delimiter) => {
    const names = split(header, delimiter);
    return { delimiter, known: names.filter(isKnown).length, columns: names.length };
  });
  // A stable sort: of equals the most usual one is first.
  const [best] = candidates.sort((a, b) => b.known - a.known || b.columns - a.columns);
  return best?.delimiter ?? DELIMITERS.comma;
}

function split(header: string, delimiter: string): string[] {
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

/** The first line that ends outside of quotes; undefined: more has to be read. */
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

/** Some tools put the byte order mark behind the hint. */
function withoutMark(read: Buffer): Buffer {
  return read[0] === 0xef && read[1] === 0xbb && read[2] === 0xbf ? read.subarray(3) : read;
}
