import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** Time between two searches for connections that may be closed, in ms. */
const LOOK_EVERY_MS = 50;
/** Part of the time for closing after which requests under way are cut off. */
const PATIENCE_PART = 0.5;
/** Part of the time for closing after which every connection is destroyed. */
const LAST_PART = 0.95;
/** Time for a client that is still sending to read its answer, in ms. Then its connection is destroyed. */
const LINGER_MS = 1_000;

/** The moment of a stop at which requests under way are cut off. */
export interface StopSignal {
  /** Whether that moment has passed. */
  readonly isOver: boolean;
  now(): void;
}

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

/**
 * Closes an HTTP server within a time limit. It accepts no new connection, and closes at once those without a request.
 * Then it waits for the requests under way, and closes each connection after its answer. At half of the limit it cuts
 * off the requests that are still under way, and at the end it destroys the remaining connections.
 */
export class OrderlyClose {
  readonly #server: Server;
  readonly #cutOff: StopSignal | undefined;
  readonly #sockets = new Set<Socket>();
  /** Requests without a complete answer, and those whose clients are still sending during the close. */
  readonly #open = new Map<Socket, Exchange>();
  #closing = false;

  /**
   * Tracks the connections of a server that does not listen yet. @param cutOff notified at half of the limit of a
   * close.
   */
  constructor(server: Server, cutOff?: StopSignal) {
    this.#server = server;
    this.#cutOff = cutOff;
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => {
        this.#sockets.delete(socket);
        this.#open.delete(socket);
      });
    });
    // This listener runs before the one that answers.
    server.prependListener('request', (request, response) => this.#follow({ request, response }));
  }

  /**
   * Closes the server.
   *
   * @param limitMs time limit in ms, after which every connection is closed.
   * @param onDestroy called with the number of connections that remain at the end of the limit.
   */
  async close(limitMs: number, onDestroy: (connections: number) => void): Promise<void> {
    this.#closing = true;
    for (const exchange of this.#open.values()) closeAfter(exchange);
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#closeUnused();
    const looks = setInterval(() => this.#closeUnused(), LOOK_EVERY_MS);
    const cut = setTimeout(() => this.#cutOff?.now(), limitMs * PATIENCE_PART);
    const last = setTimeout(() => {
      if (this.#sockets.size > 0) onDestroy(this.#sockets.size);
      for (const socket of this.#sockets) socket.destroy();
    }, limitMs * LAST_PART);
    await closed;
    clearInterval(looks);
    clearTimeout(cut);
    clearTimeout(last);
  }

  #follow(exchange: Exchange): void {
    const { socket } = exchange.request;
    this.#open.set(socket, exchange);
    exchange.response.once('close', () => {
      // A client that is still sending lingers until its connection is closed.
      if (this.#closing && !exchange.request.complete) return;
      // The next request of the same connection may have arrived already.
      if (this.#open.get(socket) === exchange) this.#open.delete(socket);
    });
    if (this.#closing) closeAfter(exchange);
  }

  /** Closes idle, silent and refused connections; after the cut-off also those without a complete request. */
  #closeUnused(): void {
    this.#server.closeIdleConnections();
    for (const socket of this.#sockets) {
      if (this.#open.has(socket)) continue;
      if (socket.bytesRead === 0 || socket.writableFinished || this.#cutOff?.isOver === true)
        socket.destroy();
    }
  }
}

/**
 * Closes the connection after the answer, and announces that in the headers unless they are sent already.
 *
 * If the client is still sending, our side is closed first, and the rest is read for a while. To close both sides at
 * once would reset the connection, and the client might never get the answer.
 */
function closeAfter({ request, response }: Exchange): void {
  response.shouldKeepAlive = false;
  const { socket } = request;
  const destroySoon = socket.destroySoon.bind(socket);
  socket.destroySoon = () => {
    if (request.complete) {
      destroySoon();
      return;
    }
    socket.end();
    const linger = setTimeout(() => socket.destroy(), LINGER_MS);
    socket.once('close', () => clearTimeout(linger));
  };
}
