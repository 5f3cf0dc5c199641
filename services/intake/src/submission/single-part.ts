import { InvalidInputError } from '@bulk/domain';

/** Maximum size of the header block of a part, in bytes. */
const MAX_HEADER_BYTES = 16_384;
const CRLF = '\r\n';

/** The only part of a multipart body. */
export interface SinglePart {
  /** The headers of the part, by their names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  /**
   * The content, as it arrives. It throws at its end if anything but the end of the body follows.
   */
  readonly content: AsyncGenerator<Buffer>;
}

/**
 * Reads a multipart body (RFC 2046) that has one part.
 *
 * Unlike the usual parsers it ignores nothing: text before or after the part, a second part and an
 * unreadable header are faults. It holds no more than a chunk and a header block.
 *
 * @throws InvalidInputError `INVALID_MULTIPART`; what `bytes` throws. `content` throws the same.
 */
export async function readSinglePart(bytes: AsyncGenerator<Buffer>, boundary: string): Promise<SinglePart> {
  const reader = new Reader(bytes);
  try {
    await reader.skip(`--${boundary}${CRLF}`);
    const headers = headersIn(await reader.until(CRLF + CRLF, MAX_HEADER_BYTES));
    return { headers, content: contentOf(reader, bytes, boundary) };
  } catch (error) {
    // Otherwise no other reader could continue.
    await bytes.return(undefined);
    throw error;
  }
}

/** Builds the refusal of a multipart body. */
export function invalidMultipart(message: string, field = '(body)'): InvalidInputError {
  return new InvalidInputError('INVALID_MULTIPART', 'the body is not multipart/form-data with one file', [
    { field, message },
  ]);
}

async function* contentOf(
  reader: Reader,
  bytes: AsyncGenerator<Buffer>,
  boundary: string,
): AsyncGenerator<Buffer> {
  try {
    yield* reader.pieces(`${CRLF}--${boundary}`);
    const after = await reader.take(2);
    if (after === CRLF) throw invalidMultipart('expected one file and nothing else, found a further part');
    if (after !== '--') throw invalidMultipart('found the boundary within the content of the file');
    await reader.expectBlank();
  } finally {
    await bytes.return(undefined);
  }
}

/** Parses bytes that arrive in chunks. */
class Reader {
  readonly #source: AsyncGenerator<Buffer>;
  #held: Buffer = Buffer.alloc(0);

  constructor(source: AsyncGenerator<Buffer>) {
    this.#source = source;
  }

  /** Returns the next `length` characters; fewer at the end of the body. */
  async take(length: number): Promise<string> {
    while (this.#held.length < length && (await this.#more()));
    const text = this.#held.toString('latin1', 0, length);
    this.#held = this.#held.subarray(length);
    return text;
  }

  /** Skips the text with which the body must start. */
  async skip(text: string): Promise<void> {
    if ((await this.take(text.length)) !== text)
      throw invalidMultipart('expected the boundary that content-type names at the start of the body');
  }

  /** Returns what lies before a mark, and skips the mark. */
  async until(mark: string, maxBytes: number): Promise<Buffer> {
    for (;;) {
      const at = this.#held.indexOf(mark, 0, 'latin1');
      if (at > maxBytes || (at === -1 && this.#held.length > maxBytes))
        throw invalidMultipart(`expected at most ${maxBytes} bytes of headers of a part`);
      if (at !== -1) {
        const found = this.#held.subarray(0, at);
        this.#held = this.#held.subarray(at + mark.length);
        return found;
      }
      if (!(await this.#more())) throw invalidMultipart('the body ends within the headers of a part');
    }
  }

  /** Yields what lies before a mark, piece by piece, and skips the mark. */
  async *pieces(mark: string): AsyncGenerator<Buffer> {
    const sought = Buffer.from(mark, 'latin1');
    for (;;) {
      const at = this.#held.indexOf(sought);
      // The end of the held bytes may be the start of the mark.
      const end = at === -1 ? Math.max(0, this.#held.length - sought.length + 1) : at;
      if (end > 0) yield this.#held.subarray(0, end);
      this.#held = this.#held.subarray(at === -1 ? end : at + sought.length);
      if (at !== -1) return;
      if (!(await this.#more())) throw invalidMultipart('the body ends without the closing boundary');
    }
  }

  /** Reads to the end of the body. */
  async expectBlank(): Promise<void> {
    do {
      if (this.#held.toString('latin1').trim() !== '')
        throw invalidMultipart('expected the end of the body behind the closing boundary');
      this.#held = this.#held.subarray(this.#held.length);
    } while (await this.#more());
  }

  async #more(): Promise<boolean> {
    const next = await this.#source.next();
    if (next.done === true) return false;
    this.#held = this.#held.length === 0 ? next.value : Buffer.concat([this.#held, next.value]);
    return true;
  }
}

function headersIn(block: Buffer): Map<string, string> {
  const headers = new Map<string, string>();
  for (const line of block.toString().split(CRLF)) {
    const [, name, value] = /^([!#$%&'*+.^_`|~\w-]+):[\t ]*([^\r\n]*)$/u.exec(line) ?? [];
    if (name === undefined || value === undefined)
      throw invalidMultipart('expected "name: value" on each line of the headers of a part');
    const known = name.toLowerCase();
    if (headers.has(known)) throw invalidMultipart(`expected the header ${known} of a part once`);
    headers.set(known, value.trim());
  }
  return headers;
}
