import type { ActionUpdate } from '@bulk/contracts';
import { accountIdSchema, actionIdSchema } from '@bulk/domain';
import { checked, checkedUrl, tokenSource, type TokenSource } from './arguments.ts';
import { ClientClosedError, throwUncaught } from './errors.ts';
import type { ProgressConnection } from './progress-connection.ts';
import type { ProgressListener } from './progress-listener.ts';
import { progressConnectionTo, type ProgressOptions } from './progress-options.ts';

export interface ConnectOptions extends ProgressOptions {
  /** The account. With `AUTH_MODE=header` it may be absent: the id of an action is enough to follow it. */
  readonly accountId?: string;
  /** A token, or a function that returns the current one, called for each connect. */
  readonly token?: string | TokenSource;
}

/** What a ProgressSocket reports, and the arguments of its listeners. */
export interface ProgressEvents {
  /** The state of a subscribed action: the present one first, then each newer one. */
  actionUpdate: [update: ActionUpdate];
  /** A subscription has ended: the notifier refused it, or the connection could not be restored. */
  error: [error: unknown, actionId: string];
}

type Listener<Event extends keyof ProgressEvents> = (...args: ProgressEvents[Event]) => void;

const URL_PROTOCOLS = ['ws:', 'wss:', 'http:', 'https:'];

/**
 * Opens a socket to the notifier, with the calls of an event emitter: `on('actionUpdate', …)`, `emit('subscribe', id)`,
 * `emit('unsubscribe', id)`. It connects at the first subscription and again whenever the connection is lost.
 *
 * @param url root URL of the notifier, such as `ws://localhost:3001`; `http:` and `https:` are accepted as well.
 * @throws InvalidArgumentError if the URL, the account or the token is invalid.
 */
export function connect(url: string, options: ConnectOptions = {}): ProgressSocket {
  return new ProgressSocket(url, options);
}

/** Follows single actions, with the calls of an event emitter. */
export class ProgressSocket {
  readonly #progress: ProgressConnection;
  readonly #listeners: { readonly [Event in keyof ProgressEvents]: Set<Listener<Event>> } = {
    actionUpdate: new Set(),
    error: new Set(),
  };
  /** Ends the subscription of each action. */
  readonly #followed = new Map<string, () => void>();
  #closed = false;

  /** @throws InvalidArgumentError if the URL, the account or the token is invalid. */
  constructor(url: string, options: ConnectOptions = {}) {
    const target = checkedUrl(url, 'url', URL_PROTOCOLS);
    target.protocol = target.protocol.replace('http', 'ws');
    const token = tokenSource(options.token);
    const accountId =
      options.accountId === undefined ? undefined : checked(accountIdSchema, options.accountId, 'accountId');
    this.#progress = progressConnectionTo(target, { accountId, token }, options);
  }

  /**
   * Calls `listener` for each event from now on. An error without a listener is thrown as uncaught, like that of an
   * EventEmitter.
   */
  on<Event extends keyof ProgressEvents>(event: Event, listener: Listener<Event>): this {
    this.#of(event).add(listener);
    return this;
  }

  /** Removes a listener. */
  off<Event extends keyof ProgressEvents>(event: Event, listener: Listener<Event>): this {
    this.#of(event).delete(listener);
    return this;
  }

  /**
   * Subscribes to an action or unsubscribes from it. A repetition has no effect. No update follows an unsubscribe.
   *
   * @throws InvalidArgumentError if the id is not that of an action.
   * @throws ClientClosedError after `close`.
   */
  emit(event: 'subscribe' | 'unsubscribe', actionId: string): this {
    const id = checked(actionIdSchema, actionId, 'actionId');
    if (this.#closed) throw new ClientClosedError();
    if (event === 'unsubscribe') this.#leave(id);
    else if (!this.#followed.has(id)) this.#follow(id);
    return this;
  }

  /** Ends all subscriptions and the connection, without an error. */
  close(): void {
    this.#closed = true;
    for (const actionId of [...this.#followed.keys()]) this.#leave(actionId);
    this.#progress.close();
  }

  #follow(actionId: string): void {
    const listener: ProgressListener = {
      subscribed: () => undefined,
      updated: (update) => {
        for (const listen of [...this.#listeners.actionUpdate]) listen(update);
      },
      failed: (error) => {
        this.#followed.delete(actionId);
        this.#fail(error, actionId);
      },
    };
    this.#followed.set(actionId, this.#progress.follow(actionId, listener));
  }

  #leave(actionId: string): void {
    const leave = this.#followed.get(actionId);
    this.#followed.delete(actionId);
    leave?.();
  }

  #fail(error: unknown, actionId: string): void {
    const listeners = [...this.#listeners.error];
    if (listeners.length === 0) throwUncaught(error);
    for (const listen of listeners) listen(error, actionId);
  }

  #of<Event extends keyof ProgressEvents>(event: Event): Set<Listener<Event>> {
    return this.#listeners[event];
  }
}
