import { serverFrameSchema, type ClientFrame, type ErrorBody } from '@bulk/contracts';
import { backoffDelay } from '@bulk/domain';
import { z } from 'zod';
import { AccountFollowers } from './account-followers.ts';
import { ActionFollowers } from './action-followers.ts';
import {
  asError,
  ClientClosedError,
  ConnectionLostError,
  InvalidAnswerError,
  retryAfterOf,
  SubscriptionRefusedError,
} from './errors.ts';
import type { ProgressListener } from './progress-listener.ts';
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

export const DEFAULT_RECONNECT: ReconnectOptions = {
  initialDelayMs: 250,
  maxDelayMs: 10_000,
  maxAttempts: 20,
};

export interface ProgressConnectionOptions {
  /** Where to connect, for messages. */
  readonly address: string;
  /** The same with account and token in its query, asked for at each connect. */
  readonly url: () => Promise<string>;
  readonly webSocket: () => Promise<WebSocketConstructor>;
  readonly reconnect: ReconnectOptions;
  /** After this silence the server is asked for a sign of life, after the same again the connection is given up, in ms. */
  readonly keepAliveMs: number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

const aboutSchema = z.union([z.object({ actionId: z.string() }), z.object({ accountId: z.string() })]);

/** The longest that the server can make a client wait, in ms. */
const MAX_WAIT_MS = 600_000;
/** An id that no action has. */
const NO_ACTION = '00000000-0000-0000-0000-000000000000';

/**
 * One WebSocket for all that is followed, actions and the account: opened for the first, closed after the last. A lost
 * one is opened again and everything is subscribed again; since updates are whole states with a version, that makes up what
 * was missed, and what is not newer is dropped.
 */
export class ProgressConnection {
  readonly #options: ProgressConnectionOptions;
  readonly #actions = new ActionFollowers((actionId, listener) => this.#leave(actionId, listener));
  readonly #account = new AccountFollowers(
    () => performance.now(),
    (listener) => this.#leaveAccount(listener),
  );
  #session: SocketSession | undefined;
  #opening = false;
  #failures = 0;
  /** How long the server asked to wait before the next connection, in ms. */
  #minDelayMs = 0;
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
    if (this.#actions.add(actionId, listener)) this.#ask({ event: 'subscribe', data: actionId });
    return () => this.#leave(actionId, listener);
  }

  /**
   * Follows all actions of the account until the function given back is called.
   *
   * @throws ClientClosedError after `close`.
   */
  followAccount(listener: ProgressListener): () => void {
    if (this.#closed) throw new ClientClosedError();
    this.#account.add(listener);
    // Asking again shows a newcomer the present.
    this.#ask(this.#account.request());
    return () => this.#leaveAccount(listener);
  }

  /** Fails whoever still follows something, and closes the socket. */
  close(): void {
    this.#closed = true;
    this.#failAll(new ClientClosedError());
  }

  #leave(actionId: string, listener: ProgressListener): void {
    if (!this.#actions.delete(actionId, listener)) return;
    if (this.#idle) this.#rest();
    else this.#send({ event: 'unsubscribe', data: actionId });
  }

  #leaveAccount(listener: ProgressListener): void {
    if (!this.#account.delete(listener) || this.#account.size > 0) return;
    if (this.#idle) this.#rest();
    else this.#send({ event: 'unsubscribeAccount' });
  }

  get #idle(): boolean {
    return this.#actions.size === 0 && this.#account.size === 0;
  }

  /** Nothing is followed: nothing is held. */
  #rest(): void {
    clearTimeout(this.#retry);
    this.#retry = undefined;
    this.#failures = 0;
    this.#minDelayMs = 0;
    this.#session?.leave();
    this.#session = undefined;
  }

  #connect(): void {
    if (this.#session !== undefined || this.#opening || this.#retry !== undefined) return;
    this.#opening = true;
    void this.#open();
  }

  /** Never rejects. */
  async #open(): Promise<void> {
    try {
      const Implementation = await this.#options.webSocket();
      const url = await this.#options.url().catch(asError);
      this.#opening = false;
      if (this.#idle) return;
      if (url instanceof Error) this.#lost(`no token: ${url.message}`);
      else this.#attach(new Implementation(url));
    } catch (error) {
      this.#opening = false;
      this.#failAll(error);
    }
  }

  #attach(socket: WebSocketLike): void {
    this.#session = new SocketSession(socket, this.#options.keepAliveMs, {
      opened: () => {
        for (const actionId of this.#actions.actionIds) this.#send({ event: 'subscribe', data: actionId });
        if (this.#account.size > 0) this.#send(this.#account.request());
      },
      received: (data) => this.#receive(data),
      quiet: () => this.#askForLife(),
      lost: (reason) => this.#lost(reason),
    });
  }

  /** Asks for what changes nothing and is answered; a browser cannot send pings. */
  #askForLife(): void {
    const [actionId] = this.#actions.actionIds;
    this.#send(
      actionId === undefined
        ? { event: 'unsubscribe', data: NO_ACTION }
        : { event: 'subscribe', data: actionId },
    );
  }

  #receive(data: unknown): void {
    let frame;
    try {
      frame = serverFrameSchema.parse(JSON.parse(String(data)));
    } catch (cause) {
      this.#failAll(new InvalidAnswerError('a frame of the notifier is not understood', cause));
      return;
    }
    this.#account.heard();
    if (frame.event === 'actionUpdate') {
      this.#account.updated(frame.data);
      this.#actions.updated(frame.data);
    } else if (frame.event === 'subscribed') {
      this.#failures = 0;
      this.#actions.acknowledged(frame.data);
    } else if (frame.event === 'subscribedAccount') {
      this.#failures = 0;
      this.#account.acknowledged(frame.data);
    } else if (frame.event === 'error') this.#refused(frame.data);
  }

  #refused(body: ErrorBody): void {
    const error = new SubscriptionRefusedError(body);
    const about = aboutSchema.safeParse(body.details);
    if (error.retryable) {
      this.#minDelayMs = retryAfterOf(error);
      this.#session?.abandon(`${body.code}: ${body.message}`);
    } else if (!about.success) this.#failAll(error);
    else if ('actionId' in about.data) this.#fail(this.#actions.take(about.data.actionId), error);
    else this.#fail(this.#account.take(), error);
  }

  #failAll(error: unknown): void {
    this.#fail(
      [...this.#actions.actionIds.flatMap((id) => this.#actions.take(id)), ...this.#account.take()],
      error,
    );
  }

  /** @param listeners who follow nothing any more. */
  #fail(listeners: readonly ProgressListener[], error: unknown): void {
    if (this.#idle) this.#rest();
    for (const listener of listeners) listener.failed(error);
  }

  #lost(reason: string): void {
    this.#session = undefined;
    if (this.#idle) return;
    const { address, reconnect, random } = this.#options;
    this.#failures += 1;
    if (this.#failures >= reconnect.maxAttempts) {
      this.#failAll(new ConnectionLostError(address, this.#failures, reason));
      return;
    }
    const delayMs = Math.min(
      Math.max(backoffDelay(this.#failures, reconnect, random), this.#minDelayMs),
      MAX_WAIT_MS,
    );
    this.#minDelayMs = 0;
    this.#retry = setTimeout(() => {
      this.#retry = undefined;
      this.#connect();
    }, delayMs);
  }

  /** What is asked without a connection is asked once there is one. */
  #ask(frame: ClientFrame): void {
    if (this.#session?.open === true) this.#send(frame);
    else this.#connect();
  }

  #send(frame: ClientFrame): void {
    this.#session?.send(JSON.stringify(frame));
  }
}
