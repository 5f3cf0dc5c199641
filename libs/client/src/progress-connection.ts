import { serverFrameSchema, type ActionUpdate, type ClientFrame, type ErrorBody } from '@bulk/contracts';
import { z } from 'zod';
import {
  ClientClosedError,
  ConnectionLostError,
  InvalidAnswerError,
  SubscriptionRefusedError,
} from './errors.ts';
import { SocketSession } from './socket-session.ts';
import type { WebSocketConstructor, WebSocketLike } from './web-socket.ts';

/** How a lost connection is sought again: exponential backoff with full jitter. */
export interface ReconnectOptions {
  /** Longest wait before the first try, in ms; default 250. */
  readonly initialDelayMs: number;
  /** Longest wait before any try, in ms; default 10,000. */
  readonly maxDelayMs: number;
  /** Failed tries in a row after which it is given up; default 20. */
  readonly maxAttempts: number;
}

export interface ProgressConnectionOptions {
  /** With the account in its query. */
  readonly url: string;
  readonly webSocket: () => Promise<WebSocketConstructor>;
  readonly reconnect: ReconnectOptions;
  /** After this silence the server is asked for a sign of life, after the same again the connection is given up, in ms. */
  readonly keepAliveMs: number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

/** Who follows an action. After `failed` it hears nothing more. */
export interface ProgressListener {
  subscribed(): void;
  updated(update: ActionUpdate): void;
  failed(error: unknown): void;
}

interface Followed {
  readonly listeners: Set<ProgressListener>;
  acknowledged: boolean;
  last: ActionUpdate | undefined;
}

const aboutSchema = z.object({ actionId: z.string() });

/**
 * One WebSocket for all actions that are followed: opened for the first, closed after the last. A lost one is opened
 * again and everything is subscribed again; since updates are whole states with a version, that makes up what was missed,
 * and what is not newer is dropped.
 */
export class ProgressConnection {
  readonly #options: ProgressConnectionOptions;
  readonly #followed = new Map<string, Followed>();
  #session: SocketSession | undefined;
  #opening = false;
  #failures = 0;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  constructor(options: ProgressConnectionOptions) {
    this.#options = options;
  }

  /**
   * Follows an action until the function given back is called.
   *
   * @throws ClientClosedError after `close`.
   */
  follow(actionId: string, listener: ProgressListener): () => void {
    if (this.#closed) throw new ClientClosedError();
    const known = this.#followed.get(actionId);
    if (known === undefined) {
      this.#followed.set(actionId, { listeners: new Set([listener]), acknowledged: false, last: undefined });
      if (this.#session?.open === true) this.#send({ event: 'subscribe', data: actionId });
      else this.#connect();
    } else {
      known.listeners.add(listener);
      const { acknowledged, last } = known;
      if (acknowledged) this.#tell(actionId, [listener], (newcomer) => newcomer.subscribed());
      if (last !== undefined) this.#tell(actionId, [listener], (newcomer) => newcomer.updated(last));
    }
    return () => this.#leave(actionId, listener);
  }

  /** Fails whoever still follows something, and closes the socket. */
  close(): void {
    this.#closed = true;
    this.#failAll(new ClientClosedError());
  }

  #leave(actionId: string, listener: ProgressListener): void {
    const followed = this.#followed.get(actionId);
    if (followed?.listeners.delete(listener) !== true || followed.listeners.size > 0) return;
    this.#followed.delete(actionId);
    if (this.#followed.size === 0) this.#rest();
    else if (this.#session?.open === true) this.#send({ event: 'unsubscribe', data: actionId });
  }

  /** Nothing is followed: nothing is held. */
  #rest(): void {
    clearTimeout(this.#retry);
    this.#retry = undefined;
    this.#failures = 0;
    this.#session?.leave();
    this.#session = undefined;
  }

  #connect(): void {
    if (this.#session !== undefined || this.#opening || this.#retry !== undefined) return;
    this.#opening = true;
    this.#options
      .webSocket()
      .then((Implementation) => {
        this.#opening = false;
        if (this.#followed.size > 0) this.#attach(new Implementation(this.#options.url));
      })
      .catch((error: unknown) => {
        this.#opening = false;
        this.#failAll(error);
      });
  }

  #attach(socket: WebSocketLike): void {
    this.#session = new SocketSession(socket, this.#options.keepAliveMs, {
      opened: () => {
        for (const actionId of this.#followed.keys()) this.#send({ event: 'subscribe', data: actionId });
      },
      received: (data) => this.#receive(data),
      // Subscribing again changes nothing and is answered; a browser cannot send pings.
      quiet: () => {
        for (const actionId of this.#followed.keys()) {
          this.#send({ event: 'subscribe', data: actionId });
          return;
        }
      },
      lost: (reason) => this.#lost(reason),
    });
  }

  #receive(data: unknown): void {
    let frame;
    try {
      frame = serverFrameSchema.parse(JSON.parse(String(data)));
    } catch (cause) {
      this.#failAll(new InvalidAnswerError('a frame of the notifier is not understood', cause));
      return;
    }
    if (frame.event === 'actionUpdate') this.#updated(frame.data);
    else if (frame.event === 'subscribed') this.#subscribed(frame.data);
    else if (frame.event === 'error') this.#refused(frame.data);
  }

  #subscribed(actionId: string): void {
    this.#failures = 0;
    const followed = this.#followed.get(actionId);
    if (followed === undefined || followed.acknowledged) return;
    followed.acknowledged = true;
    this.#tell(actionId, followed.listeners, (listener) => listener.subscribed());
  }

  #updated(update: ActionUpdate): void {
    const followed = this.#followed.get(update.actionId);
    if (followed === undefined || update.version <= (followed.last?.version ?? -1)) return;
    followed.last = update;
    this.#tell(update.actionId, followed.listeners, (listener) => listener.updated(update));
  }

  #refused(body: ErrorBody): void {
    const error = new SubscriptionRefusedError(body);
    const about = aboutSchema.safeParse(body.details);
    if (error.retryable) this.#session?.abandon(`${body.code}: ${body.message}`);
    else if (about.success) this.#fail(about.data.actionId, error);
    else this.#failAll(error);
  }

  /** A listener that throws hears of it and nothing else; the others are not disturbed. */
  #tell(
    actionId: string,
    listeners: Iterable<ProgressListener>,
    call: (listener: ProgressListener) => void,
  ): void {
    for (const listener of [...listeners]) {
      try {
        call(listener);
      } catch (error) {
        this.#leave(actionId, listener);
        listener.failed(error);
      }
    }
  }

  #fail(actionId: string, error: unknown): void {
    const followed = this.#followed.get(actionId);
    if (followed === undefined) return;
    this.#followed.delete(actionId);
    if (this.#followed.size === 0) this.#rest();
    for (const listener of followed.listeners) listener.failed(error);
  }

  #failAll(error: unknown): void {
    for (const actionId of [...this.#followed.keys()]) this.#fail(actionId, error);
    if (this.#followed.size === 0) this.#rest();
  }

  #lost(reason: string): void {
    this.#session = undefined;
    if (this.#followed.size === 0) return;
    const { url, reconnect, random } = this.#options;
    this.#failures += 1;
    if (this.#failures >= reconnect.maxAttempts) {
      this.#failAll(new ConnectionLostError(url, this.#failures, reason));
      return;
    }
    const ceiling = Math.min(reconnect.maxDelayMs, reconnect.initialDelayMs * 2 ** (this.#failures - 1));
    this.#retry = setTimeout(() => {
      this.#retry = undefined;
      this.#connect();
    }, ceiling * random());
  }

  #send(frame: ClientFrame): void {
    this.#session?.send(JSON.stringify(frame));
  }
}
