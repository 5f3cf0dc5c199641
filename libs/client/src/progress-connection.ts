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

/** How a lost connection is opened again: exponential backoff with full jitter. */
export interface ReconnectOptions {
  /** Longest wait before the first try, in ms. @default 250 */
  readonly initialDelayMs: number;
  /** Longest wait before any try, in ms. @default 10,000 */
  readonly maxDelayMs: number;
  /** Number of failed tries in a row after which the client gives up. @default 20 */
  readonly maxAttempts: number;
}

export const DEFAULT_RECONNECT: ReconnectOptions = {
  initialDelayMs: 250,
  maxDelayMs: 10_000,
  maxAttempts: 20,
};

export interface ProgressConnectionOptions {
  /** The address to connect to, for messages. */
  readonly address: string;
  /** Returns the address with account and token in its query. Called for each connect. */
  readonly url: () => Promise<string>;
  readonly webSocket: () => Promise<WebSocketConstructor>;
  readonly reconnect: ReconnectOptions;
  /**
   * Time without a message after which the server is asked for a sign of life, in ms. After the same time again, the
   * connection counts as lost.
   */
  readonly keepAliveMs: number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

const aboutSchema = z.union([z.object({ actionId: z.string() }), z.object({ accountId: z.string() })]);

/** Maximum wait that the server can request, in ms. */
const MAX_WAIT_MS = 600_000;
/** An id that no action has. */
const NO_ACTION = '00000000-0000-0000-0000-000000000000';

/**
 * One WebSocket for all subscriptions, of actions and of the account. It is opened for the first and closed after the
 * last.
 *
 * A lost WebSocket is opened again with all subscriptions. Updates are whole states with a version, so this restores
 * missed changes, and states that are not newer are dropped.
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
  /** Wait that the server requested before the next connection, in ms. */
  #minDelayMs = 0;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  constructor(options: ProgressConnectionOptions) {
    this.#options = options;
  }

  /**
   * Follows an action.
   *
   * @returns a function that ends it.
   * @throws ClientClosedError after `close`.
   */
  follow(actionId: string, listener: ProgressListener): () => void {
    if (this.#closed) throw new ClientClosedError();
    if (this.#actions.add(actionId, listener)) this.#ask({ event: 'subscribe', data: actionId });
    return () => this.#leave(actionId, listener);
  }

  /**
   * Follows all actions of the account.
   *
   * @returns a function that ends it.
   * @throws ClientClosedError after `close`.
   */
  followAccount(listener: ProgressListener): () => void {
    if (this.#closed) throw new ClientClosedError();
    this.#account.add(listener);
    // A repeated request shows a new listener the present state.
    this.#ask(this.#account.request());
    return () => this.#leaveAccount(listener);
  }

  /** Fails every listener that still follows something, and closes the socket. */
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

  /** Releases the connection and the timer, because nothing is followed. */
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

  /** Sends a request that changes nothing and is answered: a browser cannot send pings. */
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

  /** @param listeners listeners that no longer follow anything. */
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

  /** Sends a request now, or when a connection is open. */
  #ask(frame: ClientFrame): void {
    if (this.#session?.open === true) this.#send(frame);
    else this.#connect();
  }

  #send(frame: ClientFrame): void {
    this.#session?.send(JSON.stringify(frame));
  }
}
