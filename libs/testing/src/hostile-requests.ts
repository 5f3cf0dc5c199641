import { connect } from 'node:net';

/** Bytes that no well-behaved client sends. */
export interface HostileRequest {
  /** Names the case: "an unknown method". */
  readonly what: string;
  readonly bytes: string;
  /** Possible statuses of the refusal. */
  readonly status: readonly number[];
}

const H = 'Host: h\r\n';
const END = '\r\n\r\n';
/** Statuses for a path that does not exist. notifier answers each plain request with 426. */
const NOTHING_THERE = [404, 426];

function line(what: string, requestLine: string, status: readonly number[]): HostileRequest {
  return { what, bytes: `${requestLine}\r\n${H}\r\n`, status };
}

function headers(what: string, lines: string, status: readonly number[]): HostileRequest {
  return { what, bytes: `GET /nothing HTTP/1.1\r\n${lines}\r\n\r\n`, status };
}

/** Requests that every HTTP server of the platform refuses, and survives. */
export const HOSTILE_REQUESTS: readonly HostileRequest[] = [
  line('an absolute target with a host without letters', 'GET http://xn--/ HTTP/1.1', [400]),
  line('an absolute target with an open bracket', 'GET http://[::1/ HTTP/1.1', [400]),
  line('an absolute target without a host', 'GET http:/// HTTP/1.1', [400, ...NOTHING_THERE]),
  line('an absolute target with an invalid port', 'GET http://h:99999/ HTTP/1.1', [400]),
  line('a target with credentials and an unreadable host', 'GET //a@xn--/ HTTP/1.1', NOTHING_THERE),
  line('a target with a fragment', 'GET /a#b HTTP/1.1', [400]),
  line('a target with credentials, an unreadable host and a fragment', 'GET //a@xn--#/ HTTP/1.1', [400]),
  line('a target of another scheme', 'GET ftp://h/ HTTP/1.1', [400]),
  line('a target that is not a path', 'GET nothing HTTP/1.1', [400]),
  line('a target of stars', 'GET ** HTTP/1.1', [400]),
  line('a star', 'OPTIONS * HTTP/1.1', NOTHING_THERE),
  line('an invalid escape', 'GET /%E0%A4%A HTTP/1.1', NOTHING_THERE),
  line('an escape of a zero byte', 'GET /%00 HTTP/1.1', NOTHING_THERE),
  line('bytes beyond ASCII', 'GET /\u00e4\u00a0\u00ff?\u00a0 HTTP/1.1', [400, ...NOTHING_THERE]),
  line('backslashes', 'GET /\\..\\..\\ HTTP/1.1', NOTHING_THERE),
  line('many slashes', `GET ${'/'.repeat(500)} HTTP/1.1`, NOTHING_THERE),
  line('keys of prototypes', 'GET /nothing?__proto__=1&constructor=2&__proto__[a]=3 HTTP/1.1', NOTHING_THERE),
  line('an unknown method', 'HACK / HTTP/1.1', [400]),
  line('CONNECT', 'CONNECT h:443 HTTP/1.1', [405]),
  line('another version', 'GET / HTTP/9.9', [400]),
  line('HTTP/2', 'PRI * HTTP/2.0', [400]),
  line('no version', 'GET /', [400, ...NOTHING_THERE]),
  { what: 'a TLS handshake', bytes: '\u0016\u0003\u0001\u0002\u0000\u0001\u0000\u0001', status: [400] },
  { what: 'zero bytes', bytes: '\0'.repeat(64), status: [400] },
  { what: 'an empty request line', bytes: ' \r\n\r\n', status: [400] },
  headers('no Host', 'x: y', [400]),
  headers('an invalid Host', 'Host: [::1', NOTHING_THERE),
  headers('a header without a colon', `${H}oops`, [400]),
  headers('a header without a name', `${H}: y`, [400]),
  headers('a header with a zero byte', `${H}x: \0`, [400]),
  headers('a header that is too large', `${H}x: ${'x'.repeat(20_000)}`, [431]),
  headers('two lengths', `${H}content-length: 1\r\ncontent-length: 2`, [400]),
  headers('a negative length', `${H}content-length: -1`, [400]),
  headers('a length beyond all bounds', `${H}content-length: 99999999999999999999`, [400]),
  headers('a length in addition to chunks', `${H}content-length: 1\r\ntransfer-encoding: chunked`, [400]),
  headers('an unknown transfer-encoding', `${H}transfer-encoding: rot13`, [400]),
  headers('a transfer-encoding around chunks', `${H}transfer-encoding: gzip, chunked`, [400]),
  headers('an unknown expectation', `${H}expect: the unexpected`, [417]),
  headers('an upgrade to nothing', `${H}connection: upgrade\r\nupgrade: nothing`, [400, 404]),
  headers('an invalid trace', `${H}traceparent: \u00ff\r\nx-request-id: \u00ff`, NOTHING_THERE),
  headers('every header twice', `${H}${H}accept: *\r\naccept: *`, [400, ...NOTHING_THERE]),
  {
    what: 'a chunk without a size',
    bytes: `POST /bulk-actions HTTP/1.1\r\n${H}transfer-encoding: chunked${END}zz\r\n`,
    status: [400, ...NOTHING_THERE],
  },
  { what: 'an incomplete request line', bytes: 'GET /', status: [408] },
  { what: 'incomplete headers', bytes: `GET / HTTP/1.1\r\n${H}x: y`, status: [408] },
];

/** What a server sent until it closed the connection. */
export interface RawAnswer {
  readonly text: string;
  /** Status of the first answer. */
  readonly status: number;
  /** Body of the first answer as JSON; undefined if it is not JSON. */
  readonly body: unknown;
}

/**
 * Sends bytes over a connection of its own and reads the answer. The client keeps its side open, so the server must end
 * the connection.
 *
 * @param bytes in ISO 8859-1.
 * @param until ends the read as soon as it returns true. @default a whole answer has arrived
 * @param timeoutMs time limit in ms.
 * @throws if the time is over.
 */
export function rawRequest(
  port: number,
  bytes: string,
  { until = isWhole, timeoutMs = 20_000 }: { until?: (text: string) => boolean; timeoutMs?: number } = {},
): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true }, () =>
      socket.write(Buffer.from(bytes, 'latin1')),
    );
    let text = '';
    const finish = (): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answerOf(text));
    };
    const timer = setTimeout(() => {
      socket.destroy();
      reject(
        new Error(`no whole answer within ${timeoutMs} ms to ${JSON.stringify(bytes.slice(0, 80))}: ${text}`),
      );
    }, timeoutMs);
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      if (until(text)) finish();
    });
    socket.on('end', finish);
    socket.on('error', finish);
    socket.on('close', finish);
  });
}

function isWhole(text: string): boolean {
  const end = text.indexOf(END);
  const length = /content-length: (\d+)/i.exec(text)?.[1];
  return end >= 0 && length !== undefined && text.length >= end + END.length + Number(length);
}

function answerOf(text: string): RawAnswer {
  const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(text)?.[1] ?? 0);
  try {
    return { text, status, body: JSON.parse(text.slice(text.indexOf(END) + END.length)) as unknown };
  } catch {
    return { text, status, body: undefined };
  }
}
