import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** How often connections that need not be waited for are looked for while closing, in ms. */
const LOOK_EVERY_MS = 50;
/** Part of the time for closing after which requests under way are cut off. */
const PATIENCE_PART = 0.5;
/** Part of the time for closing after which every connection is destroyed. */
const LAST_PART = 0.95;
/** How long a client that is still sending may take to read its answer before its connection is destroyed, in ms. */
const LINGER_MS = 1_000;

/** The moment of a stop at which requests under way are ended. */
export interface StopSignal {
  /** Whether that moment is over. */
  readonly isOver: boolean;
  now(): void;
}

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

/**
 * Closes an HTTP server within a time limit: it takes no new connection, and closes at once those without a request. Then
 * it waits for the requests under way, and closes each connection after its answer. At half time it cuts off what is
 * still under way, and at the end it destroys the connections that are left.
 */
export class OrderlyClose {
  readonly #server: Server;
  readonly #cutOff: StopSignal | undefined;
  readonly #sockets = new Set<Socket>();
  /** Requests without a complete answer, or whose clients are still sending while we close. */
  readonly #open = new Map<Socket, Exchange>();
  #closing = false;

  /** Follows the connections of a server that does not listen yet. @param cutOff told at half time of a close. */
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
    // Before the listener that answers.
    server.prependListener('request', (request, response) => this.#follow({ request, response }));
  }

  /**
   * @param limitMs after this time every connection is closed.
   * @param onDestroy called with the number of connections that are left then.
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
      // Still sending, it lingers until it is closed.
      if (this.#closing && !exchange.request.complete) return;
      // The next request of the same connection may be there already.
      if (this.#open.get(socket) === exchange) this.#open.delete(socket);
    });
    if (this.#closing) closeAfter(exchange);
  }

  /** Idle ones, silent ones and refused ones; after the cut-off all that bring no whole request, too. */
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
 * Has the connection closed after the answer, and tells the client so unless its headers are sent. Where the client is
 * still sending, our side is closed first and the rest is read on for a while: to close both at once would reset the
 * connection, and the client might never see the answer.
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
