import { STATUS_CODES, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';

/** An answer to bytes that are not a request that a service can read. */
export interface ProtocolRefusal {
  readonly status: number;
  readonly code: string;
  readonly message: string;
  readonly details?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** How long a refused connection stays open so that its client reads the answer, in ms. */
const LINGER_MS = 2_000;

/** Builds a refusal of bytes that are not a valid HTTP request. */
export function invalidHttp(message: string): ProtocolRefusal {
  return { status: 400, code: 'INVALID_HTTP', message };
}

/**
 * Writes a refusal to a bare connection and closes the connection within a bounded time.
 *
 * Unread bytes would turn the close into a reset, which can overtake the answer. So the connection is read, without a
 * parser, until the client closes it or the time is over.
 */
export function refuseConnection(socket: Duplex, refusal: ProtocolRefusal): void {
  const body = bodyOf(refusal);
  const headers = Object.entries({ ...refusal.headers, ...headersOf(body), connection: 'close' });
  const head = headers.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  closeAfter(
    socket,
    `HTTP/1.1 ${refusal.status} ${STATUS_CODES[refusal.status] ?? ''}\r\n${head}\r\n${body}`,
  );
}

/** Answers a request with a refusal; its connection stays usable. */
export function refuseRequest(response: ServerResponse, refusal: ProtocolRefusal): void {
  const body = bodyOf(refusal);
  response.writeHead(refusal.status, { ...refusal.headers, ...headersOf(body) });
  response.end(body);
}

/** Detaches the parser from a connection, so that no later bytes become a request. */
export function detachParser(socket: Duplex): void {
  socket.removeAllListeners('data');
  socket.on('data', () => undefined);
  socket.resume();
}

function closeAfter(socket: Duplex, text: string): void {
  socket.on('error', () => socket.destroy());
  detachParser(socket);
  const timer = setTimeout(() => socket.destroy(), LINGER_MS);
  socket.once('close', () => clearTimeout(timer));
  socket.once('end', () => socket.destroy());
  socket.end(text);
}

function bodyOf({ code, message, details }: ProtocolRefusal): string {
  // JSON omits undefined properties.
  return JSON.stringify({ success: false, error: { code, message, details } });
}

function headersOf(body: string): Record<string, string> {
  return {
    'content-type': 'application/json; charset=utf-8',
    'content-length': String(Buffer.byteLength(body)),
    'cache-control': 'no-store',
  };
}
