import { RestError } from '@bulk/contracts';
import { InvalidInputError } from '@bulk/domain';

export interface ScanLimits {
  /** Maximum number of levels of nesting. */
  readonly maxDepth: number;
  /** Maximum number of elements of the top-level list. */
  readonly maxElements: number;
  /** Maximum number of bytes outside that list. */
  readonly maxOtherBytes: number;
}

/** The places of the elements of the top-level list in a body, in bytes. */
export interface ScannedList {
  /** After the opening bracket. */
  readonly start: number;
  /** At the closing bracket; -1 if it is missing. */
  readonly end: number;
  readonly length: number;
  /**
   * Returns the start of an element. It ends before the comma in front of the next one, or at
   * `end`.
   */
  startOf(index: number): number;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const SPACE = 0x20;
/** Maximum size of a top-level key that is compared, in bytes. Longer keys are no parameters. */
const MAX_KEY_BYTES = 256;

/**
 * Scans a JSON object while it arrives, before anything is parsed.
 *
 * It counts nesting and the elements of one top-level list, finds the place of each element, and
 * refuses a repeated top-level key. It does not check the grammar: a caller that parses the
 * elements, and the rest of the body without them, has checked all of it.
 */
export class JsonScanner {
  readonly #listKey: string;
  readonly #limits: ScanLimits;
  /** The closing byte of each open level. */
  readonly #closers: number[] = [];
  readonly #keys = new Set<string>();
  #at = 0;
  #inString = false;
  #escaped = false;
  #expectsKey = false;
  /** Bytes of the top-level key that is being read. */
  #key: number[] | undefined;
  #lastKey = '';
  #list: OpenList | undefined;
  #elementStart = -1;
  #blank = true;

  /** @param listKey the top-level key of the list. */
  constructor(listKey: string, limits: ScanLimits) {
    this.#listKey = listKey;
    this.#limits = limits;
  }

  /** The list; `undefined` if the body has none. */
  get list(): ScannedList | undefined {
    return this.#list;
  }

  /**
   * Takes the next bytes.
   *
   * @throws InvalidInputError `INVALID_JSON`, `INVALID_REQUEST`; RestError `PAYLOAD_TOO_LARGE`.
   */
  write(chunk: Uint8Array): void {
    for (let i = 0; i < chunk.length; i += 1) {
      const byte = chunk[i] ?? 0;
      if (this.#inString) this.#inText(byte);
      else if (byte > SPACE) this.#outside(byte);
      this.#at += 1;
    }
    const inList =
      this.#list === undefined ? 0 : (this.#inList() ? this.#at : this.#list.end) - this.#list.start;
    if (this.#at - inList > this.#limits.maxOtherBytes) {
      const limit = this.#limits.maxOtherBytes;
      throw new RestError(
        'PAYLOAD_TOO_LARGE',
        `expected at most ${limit} bytes in addition to ${this.#listKey}`,
      );
    }
  }

  #inText(byte: number): void {
    if (this.#escaped) this.#escaped = false;
    else if (byte === BACKSLASH) this.#escaped = true;
    else if (byte === QUOTE) {
      this.#inString = false;
      this.#endKey();
      return;
    }
    if (this.#key !== undefined && this.#key.length < MAX_KEY_BYTES) this.#key.push(byte);
  }

  #outside(byte: number): void {
    const depth = this.#closers.length;
    switch (byte) {
      case QUOTE:
        this.#blank = false;
        this.#inString = true;
        if (depth === 1 && this.#expectsKey) this.#key = [];
        return;
      case OPEN_BRACE:
        this.#open(CLOSE_BRACE);
        this.#expectsKey = depth === 0;
        return;
      case OPEN_BRACKET:
        this.#open(CLOSE_BRACKET);
        if (depth === 1 && this.#closers[0] === CLOSE_BRACE && this.#lastKey === this.#listKey)
          this.#beginList();
        return;
      case CLOSE_BRACE:
      case CLOSE_BRACKET:
        this.#close(byte);
        return;
      case COMMA:
        if (depth === 1) this.#expectsKey = this.#closers[0] === CLOSE_BRACE;
        else if (depth === 2 && this.#inList()) this.#endElement(true);
        return;
      case COLON:
        if (depth === 1) this.#expectsKey = false;
        return;
      default:
        this.#blank = false;
    }
  }

  #open(closer: number): void {
    this.#blank = false;
    this.#closers.push(closer);
    const { maxDepth } = this.#limits;
    if (this.#closers.length > maxDepth) {
      throw new InvalidInputError('INVALID_REQUEST', 'the request is invalid', [
        { field: '(body)', message: `expected at most ${maxDepth} levels of nesting` },
      ]);
    }
  }

  #close(byte: number): void {
    if (this.#closers.pop() !== byte) throw notJson();
    if (this.#closers.length !== 1 || !this.#inList()) return;
    const list = this.#list;
    if (list === undefined) return;
    // `[1,]` lacks its last element; `[ ]` has no elements.
    if (!this.#blank || list.length > 0) this.#endElement(false);
    list.end = this.#at;
    this.#elementStart = -1;
  }

  #endKey(): void {
    const bytes = this.#key;
    if (bytes === undefined) return;
    this.#key = undefined;
    this.#expectsKey = false;
    const key = keyOf(bytes);
    if (this.#keys.has(key)) {
      throw new InvalidInputError('INVALID_REQUEST', 'the request is invalid', [
        { field: key, message: 'expected once, found twice' },
      ]);
    }
    this.#keys.add(key);
    this.#lastKey = key;
  }

  #inList(): boolean {
    return this.#elementStart !== -1;
  }

  #beginList(): void {
    this.#elementStart = this.#at + 1;
    this.#blank = true;
    this.#list = new OpenList(this.#at + 1);
  }

  #endElement(more: boolean): void {
    this.#list?.push(this.#elementStart);
    this.#elementStart = this.#at + 1;
    this.#blank = true;
    const { maxElements } = this.#limits;
    if ((this.#list?.length ?? 0) + (more ? 1 : 0) <= maxElements) return;
    throw new InvalidInputError('INVALID_REQUEST', 'the request is invalid', [
      { field: this.#listKey, message: `expected at most ${maxElements} ${this.#listKey}` },
    ]);
  }
}

/** The growing list. It is stored outside of the heap, with four bytes for each element. */
class OpenList implements ScannedList {
  readonly start: number;
  end = -1;
  length = 0;
  #starts = new Uint32Array(16);

  constructor(start: number) {
    this.start = start;
  }

  push(start: number): void {
    if (this.length === this.#starts.length) {
      const larger = new Uint32Array(2 * this.length);
      larger.set(this.#starts);
      this.#starts = larger;
    }
    this.#starts[this.length] = start;
    this.length += 1;
  }

  startOf(index: number): number {
    return this.#starts[index] ?? this.end + 1;
  }
}

/** Builds the refusal of a body that is not a JSON object. @param found what is wrong with it. */
export function notJson(where = '(body)', found?: string): InvalidInputError {
  return new InvalidInputError('INVALID_JSON', 'the body is not a JSON object', [
    { field: where, message: `expected JSON (RFC 8259) in UTF-8${found === undefined ? '' : `, ${found}`}` },
  ]);
}

/** Returns the text of a key, which may contain escapes. */
function keyOf(bytes: readonly number[]): string {
  const text = Buffer.from(bytes).toString('utf8');
  if (!text.includes('\\')) return text;
  try {
    return String(JSON.parse(`"${text}"`));
  } catch {
    return text;
  }
}
