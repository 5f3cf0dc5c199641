/** How the body of a request is framed; `short` and `long` lie about its length. */
export type Framing = 'length' | 'chunked' | 'short' | 'long';

export interface RequestParts {
  readonly method: string;
  readonly target: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** `undefined` for no body and no header about one. */
  readonly body?: Buffer | undefined;
  readonly framing?: Framing | undefined;
}

const HOST = 'host: fuzz';

/** Writes a request exactly as given. Header values are ISO 8859-1. */
export function requestBytes({ method, target, headers, body, framing = 'length' }: RequestParts): Buffer {
  const lines = [
    `${method} ${target} HTTP/1.1`,
    HOST,
    ...headers.map(([name, value]) => `${name}: ${value}`),
    ...(body === undefined ? [] : [lengthHeader(body, framing)]),
  ];
  const head = Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
  if (body === undefined) return head;
  return Buffer.concat([head, framing === 'chunked' ? chunked(body) : body]);
}

/** Builds a body with one file, as `curl -F` sends it. */
export function formBody(
  file: Buffer,
  { boundary, name, mediaType }: { boundary: string; name: string; mediaType: string },
): Buffer {
  const head =
    `--${boundary}\r\ncontent-disposition: form-data; name="file"; filename="${name}"\r\n` +
    `content-type: ${mediaType}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head), file, Buffer.from(`\r\n--${boundary}--\r\n`)]);
}

function lengthHeader({ length }: Buffer, framing: Framing): string {
  switch (framing) {
    case 'chunked':
      return 'transfer-encoding: chunked';
    case 'length':
      return `content-length: ${length}`;
    case 'short':
      return `content-length: ${Math.floor(length / 2)}`;
    case 'long':
      return `content-length: ${length + 10}`;
  }
}

/** Splits a body into growing chunks, so that small and large ones occur. */
function chunked(body: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0, size = 1; at < body.length; at += size, size *= 3) {
    const chunk = body.subarray(at, at + size);
    parts.push(Buffer.from(`${chunk.length.toString(16)}\r\n`), chunk, Buffer.from('\r\n'));
  }
  parts.push(Buffer.from('0\r\n\r\n'));
  return Buffer.concat(parts);
}
