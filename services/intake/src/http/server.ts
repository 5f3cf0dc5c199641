import { createServer, STATUS_CODES, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { listen } from '@bulk/runtime';
import { OrderlyClose } from './orderly-close.ts';
import type { CutOff } from './stopping.ts';

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
  /** Ends the requests that are still under way at half time of a close. */
  readonly cutOff: CutOff;
}

export interface HttpServer {
  readonly port: number;
  /** Takes no new connection, and closes each one after the answer to its request, all of them within `limitMs`. */
  close(limitMs: number): Promise<void>;
}

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
  const orderly = new OrderlyClose(server, options.cutOff);
  server.on('clientError', refuse);
  await listen(server, options.port);
  return { port: (server.address() as AddressInfo).port, close: (limitMs) => orderly.close(limitMs) };
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
