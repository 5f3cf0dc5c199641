import { createServer, STATUS_CODES, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { listen } from '@bulk/runtime';

export interface HttpServerOptions {
  /** 0 for any free one. */
  readonly port: number;
  /** Longest time to receive a request, in ms. */
  readonly requestTimeoutMs: number;
  /** Longest time to receive its headers, in ms; at most `requestTimeoutMs`. */
  readonly headersTimeoutMs: number;
  /** How long an idle connection stays open, in ms. */
  readonly keepAliveTimeoutMs: number;
  /** Most bytes of a request's headers. */
  readonly maxHeaderBytes: number;
}

export interface HttpServer {
  readonly port: number;
  /** Takes no new connection, answers the requests under way and closes each connection after its answer. */
  close(): Promise<void>;
}

/** How often connections that became idle are looked for while closing, in ms. */
const CLOSE_IDLE_EVERY_MS = 50;

/** Serves the REST API with bounds on what a client may send and on how long it may take. */
export async function startHttpServer(
  options: HttpServerOptions,
  handle: RequestListener,
): Promise<HttpServer> {
  const server = createServer(
    {
      maxHeaderSize: options.maxHeaderBytes,
      requestTimeout: options.requestTimeoutMs,
      headersTimeout: Math.min(options.headersTimeoutMs, options.requestTimeoutMs),
      keepAliveTimeout: options.keepAliveTimeoutMs,
      connectionsCheckingInterval: Math.min(options.headersTimeoutMs, 5_000),
    },
    handle,
  );
  server.on('clientError', refuse);
  await listen(server, options.port);
  return { port: (server.address() as AddressInfo).port, close: () => close(server) };
}

const REFUSALS: Readonly<Record<string, { status: number; code: string; message: string }>> = {
  HPE_HEADER_OVERFLOW: {
    status: 431,
    code: 'HEADERS_TOO_LARGE',
    message: 'the headers of the request are too large',
  },
  ERR_HTTP_REQUEST_TIMEOUT: {
    status: 408,
    code: 'REQUEST_TIMEOUT',
    message: 'the request did not arrive in time',
  },
};

/** What never became a request has an answer in the same envelope as every other. */
function refuse(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const refusal = REFUSALS[error.code ?? ''] ?? {
    status: 400,
    code: 'INVALID_HTTP',
    message: 'this is not an HTTP request',
  };
  const { status, code, message } = refusal;
  const body = JSON.stringify({ success: false, error: { code, message } });
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\nconnection: close\r\ncontent-type: application/json; charset=utf-8\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

/** Node closes what is idle once; a connection that becomes idle later would stay for as long as it is kept alive. */
function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const idle = setInterval(() => server.closeIdleConnections(), CLOSE_IDLE_EVERY_MS);
    server.close(() => {
      clearInterval(idle);
      resolve();
    });
  });
}
