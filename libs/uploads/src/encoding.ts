import { isUtf8 } from 'node:buffer';
import { TextDecoder } from 'node:util';
import { InvalidInputError, type FieldIssue } from '@bulk/domain';
import { LineCounter } from './line-counter.ts';
import { MAX_FAULTS } from './place.ts';
import { completeUtf8Length, invalidUtf8At } from './utf8.ts';
import { quoted } from './visible.ts';

/** Thrown when an upload declares an encoding that this platform cannot read. */
export class UnknownCharsetError extends InvalidInputError {
  constructor(charset: string) {
    super('UNKNOWN_CHARSET', 'the declared charset is unknown', [
      {
        field: 'content-type',
        message: `expected a charset of the Encoding Standard, e.g. utf-8, windows-1252 or utf-16le, found ${quoted(charset)}`,
      },
    ]);
  }
}

/** Old DOS tools write it at the end of a file. It is not a part of the text. */
const CTRL_Z = 0x1a;
/** Number of bytes that are read after the first faulty one, to name further lines. */
const READ_ON_BYTES = 1_048_576;
/** Characters before a faulty byte that a message shows. */
const CONTEXT = 12;

const MARKS: readonly { readonly encoding: string; readonly bytes: readonly number[] }[] = [
  { encoding: 'utf-8', bytes: [0xef, 0xbb, 0xbf] },
  { encoding: 'utf-16le', bytes: [0xff, 0xfe] },
  { encoding: 'utf-16be', bytes: [0xfe, 0xff] },
];
const LONGEST_MARK = 3;

/**
 * Returns the text of an upload as valid UTF-8, chunk by chunk, without a leading byte order mark and a trailing
 * Ctrl-Z.
 *
 * A byte order mark decides the encoding, then the declared charset. Without either, the text must be UTF-8.
 *
 * @param charset the charset that `content-type` declares, e.g. `windows-1252`; a label of the WHATWG Encoding
 *   Standard.
 * @throws UnknownCharsetError if the charset is not such a label.
 * @throws InvalidInputError `INVALID_ENCODING`, naming up to 20 lines and the likely cause.
 * @throws the errors of `bytes`.
 */
export async function* utf8Of(bytes: AsyncIterable<Uint8Array>, charset?: string): AsyncGenerator<Buffer> {
  const declared = charset === undefined ? undefined : decoderLabel(charset);
  let convert: Converter | undefined;
  let start: Buffer = Buffer.alloc(0);
  let held = 0;
  // A Ctrl-Z is held back until something follows it.
  const release = function* (text: Buffer): Generator<Buffer> {
    let end = text.length;
    while (end > 0 && text[end - 1] === CTRL_Z) end -= 1;
    if (end > 0 && held > 0) yield Buffer.alloc(held, CTRL_Z);
    held = (end > 0 ? 0 : held) + text.length - end;
    if (end > 0) yield text.subarray(0, end);
  };
  for await (const chunk of bytes) {
    let next: Uint8Array = chunk;
    if (convert === undefined) {
      start = Buffer.concat([start, chunk]);
      if (start.length < LONGEST_MARK) continue;
      ({ convert, next } = begin(start, declared));
    }
    yield* release(convert.take(next));
  }
  if (convert === undefined) {
    const begun = begin(start, declared);
    convert = begun.convert;
    yield* release(convert.take(begun.next));
  }
  yield* release(convert.end());
}

/** Converts chunks of one encoding into chunks of valid UTF-8. */
interface Converter {
  take(chunk: Uint8Array): Buffer;
  /** @throws InvalidInputError when the text ends within a character. */
  end(): Buffer;
}

function begin(start: Buffer, declared: string | undefined): { convert: Converter; next: Buffer } {
  const mark = MARKS.find(({ bytes }) => bytes.every((byte, i) => start[i] === byte));
  const encoding = mark?.encoding ?? declared ?? 'utf-8';
  const next = start.subarray(mark?.bytes.length ?? 0);
  return { convert: encoding === 'utf-8' ? new CheckedUtf8() : new Transcoder(encoding), next };
}

function decoderLabel(charset: string): string {
  try {
    return new TextDecoder(charset.trim()).encoding;
  } catch {
    throw new UnknownCharsetError(charset);
  }
}

/** Passes UTF-8 through. After the first invalid byte it continues only to name further lines, within bounds. */
class CheckedUtf8 implements Converter {
  readonly #lines = new LineCounter();
  readonly #faults = new Map<number, FieldIssue>();
  #rest: Buffer = Buffer.alloc(0);
  #readOn = READ_ON_BYTES;

  take(chunk: Uint8Array): Buffer {
    const whole = this.#rest.length === 0 ? asBuffer(chunk) : Buffer.concat([this.#rest, chunk]);
    const length = completeUtf8Length(whole);
    const text = whole.subarray(0, length);
    this.#rest = whole.subarray(length);
    return this.#check(text);
  }

  end(): Buffer {
    const text = this.#check(this.#rest);
    this.#throwIfAny();
    return text;
  }

  #check(text: Buffer): Buffer {
    const isValid = isUtf8(text);
    if (!isValid) this.#noteFaults(text);
    else if (this.#faults.size === 0) refuseZero(text, this.#lines);
    this.#lines.count(text);
    if (this.#faults.size === 0) return text;
    this.#readOn -= text.length;
    if (this.#faults.size >= MAX_FAULTS || this.#readOn < 0) this.#throwIfAny();
    return Buffer.alloc(0);
  }

  #noteFaults(text: Buffer): void {
    let at = invalidUtf8At(text, 0);
    for (; at !== -1 && this.#faults.size < MAX_FAULTS; at = invalidUtf8At(text, at + 1)) {
      const line = this.#lines.lineAt(text, at);
      if (!this.#faults.has(line))
        this.#faults.set(line, { field: `line ${line}`, message: describe(text, at) });
    }
  }

  #throwIfAny(): void {
    if (this.#faults.size > 0) throw invalidEncoding([...this.#faults.values()]);
  }
}

/** Decodes any other encoding with the platform's TextDecoder. */
class Transcoder implements Converter {
  readonly #lines = new LineCounter();
  readonly #encoding: string;
  readonly #decoder: TextDecoder;

  constructor(encoding: string) {
    this.#encoding = encoding;
    this.#decoder = new TextDecoder(encoding, { fatal: true, ignoreBOM: true });
  }

  take(chunk: Uint8Array): Buffer {
    return this.#decode(chunk);
  }

  end(): Buffer {
    return this.#decode(undefined);
  }

  /** Decodes as a stream: without it, Node 20 decodes windows-1252 as Latin-1 (nodejs/node#56542), and € is lost. */
  #decode(chunk: Uint8Array | undefined): Buffer {
    let text: Buffer;
    try {
      text = Buffer.from(
        chunk === undefined ? this.#decoder.decode() : this.#decoder.decode(chunk, { stream: true }),
      );
    } catch {
      throw invalidEncoding([
        {
          field: `line ${this.#lines.line} or later`,
          message: `expected text in ${this.#encoding}, found bytes that this encoding does not have`,
        },
      ]);
    }
    refuseZero(text, this.#lines);
    this.#lines.count(text);
    return text;
  }
}

/** Returns a view of the same bytes, not a copy. */
function asBuffer({ buffer, byteOffset, length }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, length);
}

/** Refuses zero bytes. A text file has none, unless it is UTF-16 or UTF-32 without a byte order mark. */
function refuseZero(text: Buffer, lines: LineCounter): void {
  const at = text.indexOf(0);
  if (at === -1) return;
  throw invalidEncoding([
    {
      field: `line ${lines.lineAt(text, at)}`,
      message:
        'expected text, found a zero byte; if the file is UTF-16, declare charset=utf-16le (or utf-16be), or save it as UTF-8',
    },
  ]);
}

function describe(text: Buffer, at: number): string {
  const byte = (text[at] ?? 0).toString(16).toUpperCase().padStart(2, '0');
  const before = quoted(text.subarray(Math.max(0, at - CONTEXT), at).toString('latin1'));
  return `expected UTF-8, found the byte ${byte} after ${before}; ${likelyCause(text)}`;
}

/**
 * Guesses the encoding. In a file of a Western European program, most bytes above 127 are characters of Windows-1252.
 */
function likelyCause(text: Buffer): string {
  const zeros = text.subarray(0, 1_000).filter((byte) => byte === 0).length;
  return zeros > 0
    ? 'the file looks like UTF-16: declare charset=utf-16le (or utf-16be), or save it as UTF-8'
    : 'the file looks like Windows-1252, as Excel writes "CSV": declare charset=windows-1252, or save it as "CSV UTF-8"';
}

function invalidEncoding(issues: readonly FieldIssue[]): InvalidInputError {
  return new InvalidInputError('INVALID_ENCODING', 'the body is not text in its encoding', issues);
}
