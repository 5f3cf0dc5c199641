import type { WebSocketLike } from './web-socket.ts';

export interface SocketSessionEvents {
  opened(): void;
  received(data: unknown): void;
  /** Nothing has arrived for a while: ask for a sign of life. */
  quiet(): void;
  /** Called once, unless `leave` was called before. */
  lost(reason: string): void;
}

/**
 * One WebSocket from its connect to its end. A peer that stays silent for two periods (a connection that never opens,
 * or one that was cut silently) is lost too. After `leave` or `lost` it reports nothing more.
 */
export class SocketSession {
  readonly #socket: WebSocketLike;
  readonly #events: SocketSessionEvents;
  readonly #timer: ReturnType<typeof setInterval>;
  #state: 'connecting' | 'open' | 'over' = 'connecting';
  #heard = true;
  #asked = false;
  #errorMessage = '';

  /** @param keepAliveMs length of one period of silence, in ms. */
  constructor(socket: WebSocketLike, keepAliveMs: number, events: SocketSessionEvents) {
    this.#socket = socket;
    this.#events = events;
    this.#timer = setInterval(() => this.#checkLife(), keepAliveMs);
    socket.addEventListener('open', () => this.#opened());
    socket.addEventListener('message', ({ data }) => this.#received(data));
    // `close` follows. It has the code 1006; this event has the message.
    socket.addEventListener('error', ({ message }) => (this.#errorMessage = message ?? ''));
    socket.addEventListener('close', ({ code, reason }) =>
      this.#lose(this.#errorMessage || `closed with code ${code} ${reason}`.trimEnd()),
    );
  }

  get open(): boolean {
    return this.#state === 'open';
  }

  send(text: string): void {
    if (this.open) this.#socket.send(text);
  }

  /** Closes the WebSocket in order. */
  leave(): void {
    this.#end();
    this.#socket.close(1000);
  }

  /** Treats the WebSocket as lost, without waiting for the peer. */
  abandon(reason: string): void {
    if (this.#socket.terminate === undefined) this.#socket.close();
    else this.#socket.terminate();
    this.#lose(reason);
  }

  #opened(): void {
    if (this.#state !== 'connecting') return;
    this.#state = 'open';
    this.#heard = true;
    this.#events.opened();
  }

  #received(data: unknown): void {
    if (!this.open) return;
    this.#heard = true;
    this.#asked = false;
    this.#events.received(data);
  }

  #checkLife(): void {
    if (this.#heard) {
      this.#heard = false;
    } else if (this.open && !this.#asked) {
      this.#asked = true;
      this.#events.quiet();
    } else {
      this.abandon('nothing was heard');
    }
  }

  #lose(reason: string): void {
    if (this.#state === 'over') return;
    this.#end();
    this.#events.lost(reason);
  }

  #end(): void {
    this.#state = 'over';
    clearInterval(this.#timer);
  }
}
