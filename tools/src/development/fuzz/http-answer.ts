/** One HTTP answer as it was received. */
export interface HttpAnswer {
  readonly status: number;
  /** Header names in lower case. The last header of a name counts. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
  /** Whether the body was received to its end. */
  readonly isWhole: boolean;
}

/** The bytes that a server sent over one connection. */
export interface HttpAnswers {
  readonly answers: readonly HttpAnswer[];
  /** The bytes after a 101; `undefined` if the connection stayed HTTP. */
  readonly upgraded: Buffer | undefined;
  /** What is wrong with the bytes as HTTP; `undefined` if nothing is. */
  readonly fault: string | undefined;
}

const HEADERS_END = '\r\n\r\n';
const STATUS_LINE = /^HTTP\/1\.[01] (\d{3})(?: [\t\x20-\x7e\x80-\xff]*)?$/;
const HEADER_LINE = /^([!#$%&'*+.^_`|~\dA-Za-z-]+):[ \t]*([\t\x20-\x7e\x80-\xff]*)$/;
const CHUNK_SIZE = /^([\da-fA-F]{1,8})(?:;.*)?\r\n/;
const SHOWN = 60;

/**
 * Parses answers strictly.
 *
 * An answer to HEAD may have a length and has no body. The reader recognises it by what follows:
 * nothing, or the next answer.
 */
export function readAnswers(bytes: Buffer): HttpAnswers {
  const answers: HttpAnswer[] = [];
  let at = 0;
  while (at < bytes.length) {
    const head = readHead(bytes, at);
    if (typeof head === 'string') return { answers, upgraded: undefined, fault: head };
    if (head.status === 101) {
      answers.push({ ...head, body: Buffer.alloc(0), isWhole: true });
      return { answers, upgraded: bytes.subarray(head.end), fault: undefined };
    }
    const body = readBody(bytes, head);
    if (typeof body === 'string') return { answers, upgraded: undefined, fault: body };
    answers.push({ ...head, body: body.body, isWhole: body.isWhole });
    at = body.end;
  }
  return { answers, upgraded: undefined, fault: undefined };
}

/**
 * Returns whether everything received is complete and contains an answer that is not an interim
 * one.
 */
export function isComplete({ answers, upgraded, fault }: HttpAnswers): boolean {
  if (fault !== undefined || upgraded !== undefined) return upgraded !== undefined;
  const last = answers.at(-1);
  return last !== undefined && last.status >= 200 && last.isWhole;
}

interface Head {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly end: number;
}

function readHead(bytes: Buffer, at: number): Head | string {
  const end = bytes.indexOf(HEADERS_END, at, 'latin1');
  if (end < 0) return `headers without an end: ${shown(bytes, at)}`;
  const [first = '', ...lines] = bytes.toString('latin1', at, end).split('\r\n');
  const status = STATUS_LINE.exec(first)?.[1];
  if (status === undefined) return `no status line: ${shown(bytes, at)}`;
  const headers = new Map<string, string>();
  for (const line of lines) {
    const [, name, value = ''] = HEADER_LINE.exec(line) ?? [];
    if (name === undefined) return `no header: ${JSON.stringify(line.slice(0, SHOWN))}`;
    headers.set(name.toLowerCase(), value);
  }
  return { status: Number(status), headers, end: end + HEADERS_END.length };
}

interface Body {
  readonly body: Buffer;
  readonly end: number;
  readonly isWhole: boolean;
}

function readBody(bytes: Buffer, { status, headers, end }: Head): Body | string {
  const none = { body: Buffer.alloc(0), end, isWhole: true };
  const isLast = end === bytes.length;
  if (status < 200 || status === 204 || status === 304) return none;
  if (/\bchunked$/i.test(headers.get('transfer-encoding') ?? '')) {
    return isLast || isNextAnswer(bytes, end) ? none : readChunks(bytes, end);
  }
  const given = headers.get('content-length');
  if (given === undefined && isNextAnswer(bytes, end)) return none;
  if (given === undefined) return { body: bytes.subarray(end), end: bytes.length, isWhole: true };
  if (!/^\d{1,15}$/.test(given)) return `a length that is not a number: ${given}`;
  const length = Number(given);
  if (length > 0 && (isLast || isNextAnswer(bytes, end))) return none;
  const to = Math.min(end + length, bytes.length);
  return { body: bytes.subarray(end, to), end: to, isWhole: to === end + length };
}

function readChunks(bytes: Buffer, from: number): Body | string {
  const chunks: Buffer[] = [];
  for (let at = from; ;) {
    const broken = { body: Buffer.concat(chunks), end: bytes.length, isWhole: false };
    const line = CHUNK_SIZE.exec(bytes.toString('latin1', at, at + 32));
    if (line === null)
      return bytes.indexOf('\r\n', at) < 0 ? broken : `no size of a chunk: ${shown(bytes, at)}`;
    const size = Number.parseInt(line[1] ?? '', 16);
    at += line[0].length;
    if (at + size + 2 > bytes.length) return broken;
    if (size === 0) {
      const trailersEnd = bytes.toString('latin1', at, at + 2) === '\r\n' ? at + 2 : -1;
      if (trailersEnd < 0) return `no end after the last chunk: ${shown(bytes, at)}`;
      return { body: Buffer.concat(chunks), end: trailersEnd, isWhole: true };
    }
    chunks.push(bytes.subarray(at, at + size));
    if (bytes.toString('latin1', at + size, at + size + 2) !== '\r\n')
      return `a chunk without an end: ${shown(bytes, at + size)}`;
    at += size + 2;
  }
}

function isNextAnswer(bytes: Buffer, at: number): boolean {
  return bytes.toString('latin1', at, at + 7) === 'HTTP/1.';
}

function shown(bytes: Buffer, at: number): string {
  return JSON.stringify(bytes.toString('latin1', at, at + SHOWN));
}
