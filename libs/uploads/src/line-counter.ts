const LF = 0x0a;
const CR = 0x0d;

/** Counts the lines of a text that arrives in chunks. CR, LF and CRLF each end a line, in any mixture. */
export class LineCounter {
  #line = 1;
  /** Whether the last chunk ended with CR, so that an LF at the start of the next one belongs to it. */
  #afterCr = false;

  /** 1-based number of the line at which the next chunk starts. */
  get line(): number {
    return this.#line;
  }

  /** Counts the lines of a chunk. */
  count(chunk: Uint8Array): void {
    this.#line = this.lineAt(chunk, chunk.length);
    this.#afterCr = chunk.length === 0 ? this.#afterCr : chunk[chunk.length - 1] === CR;
  }

  /** Returns the line of a byte of the next chunk, without counting the chunk. */
  lineAt(chunk: Uint8Array, at: number): number {
    let line = this.#line;
    let afterCr = this.#afterCr;
    for (let i = 0; i < at; i += 1) {
      const byte = chunk[i];
      if (byte === CR || (byte === LF && !afterCr)) line += 1;
      afterCr = byte === CR;
    }
    return line;
  }
}
