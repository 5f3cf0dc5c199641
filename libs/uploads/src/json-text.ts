import { inexactNumber, isExactNumber, MAX_DEPTH } from '@bulk/domain';
import { quoted } from './visible.ts';

/** The result of reading JSON: the value, or the fault of the text. */
export type ParsedJson =
  { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly message: string };

/** Number of characters of the text that a message shows around a fault. */
const AROUND = 20;

/**
 * Reads JSON without losses. A number that a double cannot hold becomes an `inexactNumber`. An object that names a key
 * twice, and nesting beyond `MAX_DEPTH`, are faults. `JSON.parse` alone accepts all three silently.
 */
export function parseJson(text: string): ParsedJson {
  const scan = new JsonScan(text);
  const fault = scan.run();
  if (fault !== undefined) return { ok: false, message: fault };
  try {
    return { ok: true, value: JSON.parse(scan.faithful) as unknown };
  } catch (error) {
    return { ok: false, message: brokenAt(text, error) };
  }
}

/**
 * Describes where a text stops being JSON. Most of V8's messages name the position; their words are not for the caller.
 */
function brokenAt(text: string, error: unknown): string {
  const position = Number(
    /position (\d+)/u.exec(error instanceof Error ? error.message : '')?.[1] ?? text.length,
  );
  const around = text.slice(Math.max(0, position - AROUND), position + AROUND);
  return position >= text.length
    ? `found an end in the middle of a value, after ${quoted(text.slice(-AROUND))}`
    : `found what is not JSON at character ${position + 1}: ${quoted(around)}`;
}

const BACKSLASH = 0x5c;
const QUOTE = 0x22;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;
const COLON = 0x3a;
const NUMBER = /-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/uy;

/** Scans the tokens of a JSON text once. JSON.parse finds text that is not JSON at all. */
class JsonScan {
  readonly #text: string;
  /** Keys of each open object; undefined for a list. */
  readonly #open: (Set<string> | undefined)[] = [];
  /** The text so far, if a number had to be replaced. */
  #replaced = '';
  #copied = 0;

  constructor(text: string) {
    this.#text = text;
  }

  /** The text in which every number that a double cannot hold is replaced. */
  get faithful(): string {
    return this.#copied === 0 ? this.#text : this.#replaced + this.#text.slice(this.#copied);
  }

  /** @returns the fault of the text, if any. */
  run(): string | undefined {
    const text = this.#text;
    for (let at = 0; at < text.length;) {
      const code = text.charCodeAt(at);
      if (code === QUOTE) {
        const end = this.#endOfString(at);
        if (end === -1) return undefined;
        const repeated = this.#noteKey(at, end);
        if (repeated !== undefined) return `found the key ${quoted(repeated)} twice in one object`;
        at = end;
      } else if (code === OPEN_OBJECT || code === OPEN_LIST) {
        this.#open.push(code === OPEN_OBJECT ? new Set() : undefined);
        if (this.#open.length > MAX_DEPTH) return `found more than ${MAX_DEPTH} levels of nesting`;
        at += 1;
      } else if (code === CLOSE_OBJECT || code === CLOSE_LIST) {
        this.#open.pop();
        at += 1;
      } else if (code === 0x2d || (code >= 0x30 && code <= 0x39)) at = this.#takeNumber(at);
      else at += 1;
    }
    return undefined;
  }

  /** @returns the index after the closing quote, or -1 if there is none. */
  #endOfString(start: number): number {
    for (let from = start + 1; ;) {
      const quote = this.#text.indexOf('"', from);
      if (quote === -1) return -1;
      let slashes = 0;
      while (this.#text.charCodeAt(quote - 1 - slashes) === BACKSLASH) slashes += 1;
      if (slashes % 2 === 0) return quote + 1;
      from = quote + 1;
    }
  }

  /** @returns the key, if its object has it already. */
  #noteKey(start: number, end: number): string | undefined {
    const keys = this.#open.at(-1);
    if (keys === undefined) return undefined;
    let next = end;
    while (this.#text.charCodeAt(next) <= 0x20) next += 1;
    if (this.#text.charCodeAt(next) !== COLON) return undefined;
    const key = unescaped(this.#text.slice(start, end));
    if (keys.has(key)) return key;
    keys.add(key);
    return undefined;
  }

  #takeNumber(at: number): number {
    NUMBER.lastIndex = at;
    const [number = ''] = NUMBER.exec(this.#text) ?? [];
    if (number === '') return at + 1;
    if (!isExactNumber(number)) {
      this.#replaced += this.#text.slice(this.#copied, at) + JSON.stringify(inexactNumber(number));
      this.#copied = at + number.length;
    }
    return at + number.length;
  }
}

function unescaped(literal: string): string {
  if (!literal.includes('\\')) return literal.slice(1, -1);
  try {
    return String(JSON.parse(literal));
  } catch {
    return literal;
  }
}
