import type { ActionUpdate } from '@bulk/contracts';
import { accountIdSchema, actionIdSchema } from '@bulk/domain';
import {
  checked,
  checkedUrl,
  HTTP_PROTOCOLS,
  tokenSource,
  webSocketUrl,
  type TokenSource,
} from './arguments.ts';
import { completionOf, type WaitOptions } from './completion.ts';
import { asError, InvalidArgumentError, throwUncaught } from './errors.ts';
import type { Fetch } from './fetch.ts';
import { HttpApi } from './http-api.ts';
import type { ProgressConnection } from './progress-connection.ts';
import type { ProgressListener } from './progress-listener.ts';
import { progressConnectionTo, type ProgressOptions } from './progress-options.ts';
import { RestClient } from './rest-client.ts';
import { DEFAULT_RETRY, Retrying, type RetryOptions } from './retrying.ts';

export interface BulkClientOptions extends ProgressOptions {
  /** URL of the REST API, e.g. `http://localhost:3000`; it may have a path. */
  readonly baseUrl: string;
  /**
   * URL of the notifier, e.g. `ws://localhost:3001`. @default the host of the base URL, for one gateway in front of
   * both
   */
  readonly websocketUrl?: string;
  /** The account; may be absent if a token contains it. */
  readonly accountId?: string;
  /**
   * A token, or a function that returns the current one, called for each request and each connect. It is sent as
   * `Authorization: Bearer …` and, for the WebSocket, as the query parameter `access_token`.
   */
  readonly token?: string | TokenSource;
  /** The implementation of `fetch`. @default the platform's */
  readonly fetch?: Fetch;
  /** Maximum wait for an answer of the REST API, in ms. @default 30,000 */
  readonly requestTimeoutMs?: number;
  /** How `createAction` and `uploadEntities` are retried. */
  readonly retry?: Partial<RetryOptions>;
}

/**
 * A client of the platform for one account, in Node and in browsers. It validates every answer. Every error has a
 * stable `code` and says whether it is `retryable`.
 *
 * RestClient documents the errors of REST calls. They also throw the errors of a token function; a connect then counts
 * as failed.
 */
export class BulkClient extends RestClient {
  readonly #progress: ProgressConnection;

  /**
   * @throws InvalidArgumentError if the account, the token or a URL is invalid, or neither account nor token is given.
   */
  constructor(options: BulkClientOptions) {
    const token = tokenSource(options.token);
    const accountId =
      options.accountId === undefined ? undefined : checked(accountIdSchema, options.accountId, 'accountId');
    if (accountId === undefined && token === undefined) {
      throw new InvalidArgumentError('accountId', 'expected an account, or a token');
    }
    const baseUrl = checkedUrl(options.baseUrl, 'baseUrl', HTTP_PROTOCOLS);
    const socketUrl = webSocketUrl(options.websocketUrl, baseUrl);
    super(
      new HttpApi({
        baseUrl: baseUrl.href,
        accountId,
        token,
        fetch: options.fetch ?? ((url, request) => globalThis.fetch(url, request)),
        timeoutMs: options.requestTimeoutMs ?? 30_000,
        retrying: new Retrying({ ...DEFAULT_RETRY, ...options.retry }, Math.random),
      }),
    );
    this.#progress = progressConnectionTo(socketUrl, { accountId, token }, options);
  }

  /**
   * Follows an action: `listener` gets its state at once, then each newer one, also after lost connections. Resolves
   * when the notifier has acknowledged.
   *
   * @param onError gets the error that ends it later: ConnectionLostError, SubscriptionRefusedError, ClientClosedError,
   *   or an error of `listener`. Without it, such an error (except for the closing) is thrown as uncaught, like an
   *   `error` event without a listener.
   * @returns a function that ends it.
   * @throws SubscriptionRefusedError (e.g. ACTION_NOT_FOUND), ConnectionLostError, ClientClosedError,
   *   InvalidArgumentError.
   */
  onProgress(
    actionId: string,
    listener: (update: ActionUpdate) => void,
    onError: (error: unknown) => void = throwUncaught,
  ): Promise<() => Promise<void>> {
    return acknowledged((of) => this.#follow(actionId, of), listener, onError);
  }

  /**
   * Follows all actions of the account, new ones included, also after lost connections. `listener` gets the state of
   * each unfinished action at once, then each newer state of any action, never an older one. Actions that ended during
   * an interruption are included. Some that ended seconds before the start may be, too. Resolves when the notifier has
   * acknowledged.
   *
   * @param onError as of `onProgress`. TOO_MANY_ACTIONS means that the account has more actions than can be followed
   *   together.
   * @returns a function that ends it.
   * @throws SubscriptionRefusedError, ConnectionLostError, ClientClosedError.
   */
  onAccountProgress(
    listener: (update: ActionUpdate) => void,
    onError: (error: unknown) => void = throwUncaught,
  ): Promise<() => Promise<void>> {
    return acknowledged((of) => guarded(of, () => this.#progress.followAccount(of)), listener, onError);
  }

  /**
   * Waits until an action has ended, also after lost connections.
   *
   * @returns the final state of a completed action.
   * @throws ActionEndedError if the action failed or was cancelled.
   * @throws CompletionTimeoutError, AbortedError, the errors of `onProgress` of this class, and an error of the given
   *   `onProgress`.
   */
  waitForCompletion(actionId: string, options: WaitOptions = {}): Promise<ActionUpdate> {
    return completionOf(actionId, (listener) => this.#follow(actionId, listener), options);
  }

  /** Ends all subscriptions (CLIENT_CLOSED) and the connection. REST calls under way finish. */
  close(): void {
    this.#progress.close();
  }

  #follow(actionId: string, listener: ProgressListener): () => void {
    return guarded(listener, () =>
      this.#progress.follow(checked(actionIdSchema, actionId, 'actionId'), listener),
    );
  }
}

/** Starts to follow. An error at the start goes to the listener. */
function guarded(listener: ProgressListener, follow: () => () => void): () => void {
  try {
    return follow();
  } catch (error) {
    listener.failed(error);
    return () => undefined;
  }
}

/** Resolves at the acknowledgement with a function that ends it. Earlier errors reject; later ones go to `onError`. */
function acknowledged(
  follow: (listener: ProgressListener) => () => void,
  updated: (update: ActionUpdate) => void,
  onError: (error: unknown) => void,
): Promise<() => Promise<void>> {
  return new Promise((resolve, reject) => {
    let resolved = false;
    const leave = follow({
      subscribed: () => {
        resolved = true;
        resolve(() => {
          leave();
          return Promise.resolve();
        });
      },
      updated,
      failed: (error) => (resolved ? onError(error) : reject(asError(error))),
    });
  });
}
