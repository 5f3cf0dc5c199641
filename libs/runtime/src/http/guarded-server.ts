import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Logger } from '../logger.ts';
import { watchBody } from './body-watch.ts';
import { OrderlyClose, type StopSignal } from './orderly-close.ts';
import {
  detachParser,
  invalidHttp,
  refuseConnection,
  refuseRequest,
  type ProtocolRefusal,
} from './protocol-refusal.ts';
import { originForm } from './request-target.ts';

/** Bounds on what clients may send, and on how long they may take. */
export interface ServerLimits {
  /** Maximum time without any data of a request's body, in ms. The whole body may take any time. */
  readonly requestTimeoutMs: number;
  /** Maximum time to receive the headers of a request, in ms; at most `requestTimeoutMs` counts. */
  readonly headersTimeoutMs: number;
  /** How long an idle connection stays open, in ms. */
  readonly keepAliveTimeoutMs: number;
  /** Maximum size of the headers of a request, in bytes. */
  readonly maxHeaderBytes: number;
  /** Maximum number of connections. Further ones are closed unanswered. */
  readonly maxConnections: number;
}

/** Where a server listens. */
export interface ListenAddress {
  /** `0.0.0.0`: every IPv4 interface of the machine. */
  readonly host: string;
  /** 0 selects any free port. */
  readonly port: number;
}

export type HttpHandler = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>;
export type UpgradeHandler = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;

export interface GuardedServerOptions extends ServerLimits {
  readonly handle: HttpHandler;
  /** Handles upgrade requests. Default: they are handled as plain requests. */
  readonly upgrade?: UpgradeHandler;
  /** Notified at half of the time limit of a close. Default: requests under way have the whole time. */
  readonly cutOff?: StopSignal;
  readonly log: Logger;
}

/** A request and its answer, while the answer is not complete. */
interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

/** Maximum time between two checks for requests that take too long, in ms. */
const CHECK_EVERY_MS = 5_000;
/** An answer that is a stream has about a dozen listeners of Koa, of Node's streams and of ours. Node warns from 11 on. */
const MAX_RESPONSE_LISTENERS = 20;

const BY_ERROR: Readonly<Record<string, ProtocolRefusal>> = {
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

/**
 * An HTTP server that no client can crash or exhaust.
 *
 * A request that no handler could read is refused before the handlers, in the usual envelope of a refusal. Refused
 * connections are closed, and `close` ends within a bounded time.
 */
export class GuardedServer {
  readonly #server: Server;
  readonly #log: Logger;
  readonly #requestTimeoutMs: number;
  readonly #orderly: OrderlyClose;
  readonly #exchanges = new WeakMap<Duplex, Set<Exchange>>();
  readonly #refused = new WeakSet<Duplex>();

  constructor({ handle, upgrade, cutOff, log, ...limits }: GuardedServerOptions) {
    this.#log = log;
    this.#requestTimeoutMs = limits.requestTimeoutMs;
    const headersTimeout = Math.min(limits.headersTimeoutMs, limits.requestTimeoutMs);
    const server = createServer({
      maxHeaderSize: limits.maxHeaderBytes,
      // This limit is for the whole request; `watchBody` requires progress instead.
      requestTimeout: 0,
      headersTimeout,
      keepAliveTimeout: limits.keepAliveTimeoutMs,
      connectionsCheckingInterval: Math.min(headersTimeout, CHECK_EVERY_MS),
      // Node would answer by itself, without the envelope.
      requireHostHeader: false,
    });
    server.maxConnections = limits.maxConnections;
    server.on('request', (request, response) => this.#receive(request, response, handle));
    server.on('checkExpectation', (request, response) => {
      this.#receive(request, response, () => refuseRequest(response, EXPECTATION_FAILED));
    });
    server.on('connect', (_request, socket) => refuseConnection(socket, CONNECT_REFUSED));
    server.on('clientError', (error, socket) => this.#refuse(error, socket));
    // A connection could not be accepted, for example for lack of file descriptors.
    server.on('error', (error) => log.warn({ err: error }, 'HTTP server error'));
    if (upgrade !== undefined) {
      server.on('upgrade', (request, socket, head) => {
        const refusal = faultOf(request);
        if (refusal === undefined) upgrade(request, socket, head);
        else refuseConnection(socket, refusal);
      });
    }
    this.#server = server;
    this.#orderly = new OrderlyClose(server, cutOff);
  }

  /**
   * Starts to listen.
   *
   * @param at an address or host name, and a port, or 0 for any free port.
   * @returns the port. Rejects if the address or the port is refused.
   */
  async listen({ host, port }: ListenAddress): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ host, port }, () => {
        this.#server.off('error', reject);
        resolve();
      });
    });
    return (this.#server.address() as AddressInfo).port;
  }

  /**
   * Accepts no new connection, closes each connection after the answer to its request, and finally closes all others.
   *
   * @param limitMs time limit in ms, after which every connection is closed. The cut-off is at half of it.
   */
  close(limitMs: number): Promise<void> {
    return this.#orderly.close(limitMs, (connections) =>
      this.#log.warn({ connections }, 'Connections cut off at stop'),
    );
  }

  #receive(request: IncomingMessage, response: ServerResponse, handle: HttpHandler): void {
    // Node emits an error if an answer is written to a closed connection. Without a listener it would end the process.
    response.on('error', (error) => this.#log.debug({ err: error }, 'Answer not sent'));
    this.#remember({ request, response });
    const refusal = faultOf(request);
    if (refusal !== undefined) {
      refuseRequest(response, refusal);
      return;
    }
    const failed = (error: unknown): void => {
      this.#log.error({ err: error }, 'HTTP handler failed');
      response.destroy();
    };
    try {
      Promise.resolve(handle(request, response)).catch(failed);
    } catch (error) {
      failed(error);
    }
  }

  #remember(exchange: Exchange): void {
    const { socket } = exchange.request;
    const exchanges = this.#exchanges.get(socket) ?? new Set();
    this.#exchanges.set(socket, exchanges.add(exchange));
    const { request, response } = exchange;
    const endWatch = watchBody(request, this.#requestTimeoutMs, () =>
      this.#refuse(new BodyStalledError(), socket),
    );
    request.once('close', endWatch);
    response.setMaxListeners(MAX_RESPONSE_LISTENERS);
    response.once('close', () => exchanges.delete(exchange));
  }

  /** Refuses bytes that never became a request, after the pending answers on the same connection. */
  #refuse(error: NodeJS.ErrnoException, socket: Duplex): void {
    if (error.code === 'ECONNRESET' || !socket.writable || this.#refused.has(socket)) {
      socket.destroy();
      return;
    }
    this.#refused.add(socket);
    const refusal = BY_ERROR[error.code ?? ''] ?? invalidHttp('this is not an HTTP request');
    const exchanges = [...(this.#exchanges.get(socket) ?? [])];
    const unread = exchanges.filter(({ request }) => !request.complete);
    const refuse = (): void => {
      // A refusal within another answer would become a part of that answer.
      if (unread.some(({ response }) => response.headersSent)) socket.destroy();
      else refuseConnection(socket, refusal);
    };
    const underWay = exchanges.filter(({ request }) => request.complete);
    if (underWay.length === 0) {
      refuse();
      return;
    }
    detachParser(socket);
    let left = underWay.length;
    for (const { response } of underWay) {
      response.once('close', () => {
        left -= 1;
        if (left === 0) refuse();
      });
    }
  }
}

/** Has the code of Node's own time-outs, so it is refused like them. */
class BodyStalledError extends Error {
  readonly code = 'ERR_HTTP_REQUEST_TIMEOUT';
}

const EXPECTATION_FAILED: ProtocolRefusal = {
  status: 417,
  code: 'EXPECTATION_FAILED',
  message: 'expected the header Expect with 100-continue, or without it',
};

const CONNECT_REFUSED: ProtocolRefusal = {
  status: 405,
  code: 'METHOD_NOT_ALLOWED',
  message: 'CONNECT is not allowed: this is no proxy',
};

/**
 * Returns the fault of a request, if any, before it is handled. It makes the request's target readable for every
 * parser.
 */
function faultOf(request: IncomingMessage): ProtocolRefusal | undefined {
  const { headers, httpVersionMajor, httpVersionMinor } = request;
  if (httpVersionMajor === 1 && httpVersionMinor === 1 && headers.host === undefined) {
    return invalidHttp('expected a header Host');
  }
  const coding = headers['transfer-encoding'];
  if (coding !== undefined && coding.toLowerCase() !== 'chunked') {
    return invalidHttp('expected transfer-encoding chunked, or none');
  }
  const target = originForm(request.url ?? '');
  if (target === undefined) return invalidHttp('expected a request target that is a path or a URL');
  request.url = target;
  return undefined;
}
