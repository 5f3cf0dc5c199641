/**
 * Finds the line of the file at which a row starts.
 *
 * csv-parse numbers the line on which a row ends, and counts a CRLF within quotes twice if several line endings are
 * accepted.
 */
export class CsvLines {
  #ended: number;
  #countedTwice = 0;

  /** @param before number of lines of the file before those that the parser has seen. */
  constructor(before: number) {
    this.#ended = before;
    this.#countedTwice = -before;
  }

  /** The line at which the current row starts, if no empty lines precede it. */
  get start(): number {
    return this.#ended + 1;
  }

  /** Counts the next row. @returns the line at which it starts. */
  next(record: readonly string[], parserLines: number): number {
    // Most rows take one line.
    const within = parserLines - this.#countedTwice === this.#ended + 1 ? NONE : lineEndsIn(record);
    this.#countedTwice += within.crlf;
    this.#ended = parserLines - this.#countedTwice;
    return this.#ended - within.all;
  }
}

const NONE = { all: 0, crlf: 0 };

function lineEndsIn(record: readonly string[]): { all: number; crlf: number } {
  let all = 0;
  let crlf = 0;
  for (const cell of record) {
    for (const [end] of cell.matchAll(/\r\n|\n|\r/gu)) {
      all += 1;
      if (end === '\r\n') crlf += 1;
    }
  }
  return { all, crlf };
}
