import type { ActionUpdate } from '@bulk/contracts';
import { accountIdSchema, actionIdSchema } from '@bulk/domain';
import {
  checked,
  checkedUrl,
  credentialedUrl,
  HTTP_PROTOCOLS,
  tokenSource,
  webSocketUrl,
  type TokenSource,
} from './arguments.ts';
import { completionOf, type WaitOptions } from './completion.ts';
import { asError, InvalidArgumentError, throwUncaught } from './errors.ts';
import { HttpApi, type Fetch } from './http-api.ts';
import { DEFAULT_RECONNECT, ProgressConnection, type ReconnectOptions } from './progress-connection.ts';
import type { ProgressListener } from './progress-listener.ts';
import { RestClient } from './rest-client.ts';
import { DEFAULT_RETRY, Retrying, type RetryOptions } from './retrying.ts';
import { platformWebSocket, type WebSocketConstructor } from './web-socket.ts';

export interface BulkClientOptions {
  /** Of the REST API, e.g. `http://localhost:3000`; may have a path. */
  readonly baseUrl: string;
  /** Of the notifier, e.g. `ws://localhost:3001`; default: the base URL's host, where one gateway serves both. */
  readonly websocketUrl?: string;
  /** May be absent where a token says it. */
  readonly accountId?: string;
  /**
   * A token, or a function that gives the one of the moment: asked for each request and each connect. Sent as
   * `Authorization: Bearer …` and, for the WebSocket, as query parameter `access_token`.
   */
  readonly token?: string | TokenSource;
  /** Default: the platform's. */
  readonly fetch?: Fetch;
  /** Default: the platform's, else that of `ws`. */
  readonly WebSocket?: WebSocketConstructor;
  /** Longest wait for an answer of the REST API, in ms; default 30,000. */
  readonly requestTimeoutMs?: number;
  /** How `createAction` and `uploadEntities` are tried again. */
  readonly retry?: Partial<RetryOptions>;
  readonly reconnect?: Partial<ReconnectOptions>;
  /** Silence of the notifier after which it is asked for a sign of life, in ms; default 15,000. */
  readonly keepAliveMs?: number;
}

/**
 * A client of the platform, for one account, in Node and in browsers. Every answer is validated; every error has a stable
 * `code` and says whether it is `retryable`. What REST calls throw is said at RestClient; what the function of a token
 * throws, they throw, and a connect counts as failed.
 */
export class BulkClient extends RestClient {
  readonly #progress: ProgressConnection;

  /** @throws InvalidArgumentError when the account, the token or a URL is none, or neither account nor token is given. */
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
    const { WebSocket: implementation } = options;
    this.#progress = new ProgressConnection({
      address: `${socketUrl.origin}${socketUrl.pathname}`,
      url: () => credentialedUrl(socketUrl, accountId, token),
      webSocket: implementation === undefined ? platformWebSocket : () => Promise.resolve(implementation),
      reconnect: { ...DEFAULT_RECONNECT, ...options.reconnect },
      keepAliveMs: options.keepAliveMs ?? 15_000,
      random: Math.random,
    });
  }

  /**
   * Follows an action: `listener` gets its state at once, then each newer one, over lost connections. Resolves when the
   * notifier has acknowledged, with a function that ends it.
   *
   * @param onError gets what ends it later: ConnectionLostError, SubscriptionRefusedError, ClientClosedError, or what
   * `listener` threw. Without it, such an error (but the closing) is thrown where nothing catches it, like an `error` event
   * without a listener.
   * @throws SubscriptionRefusedError (e.g. ACTION_NOT_FOUND), ConnectionLostError, ClientClosedError,
   * InvalidArgumentError.
   */
  onProgress(
    actionId: string,
    listener: (update: ActionUpdate) => void,
    onError: (error: unknown) => void = throwUncaught,
  ): Promise<() => Promise<void>> {
    return acknowledged((of) => this.#follow(actionId, of), listener, onError);
  }

  /**
   * Follows all actions of the account, new ones included: `listener` gets the state of each unfinished one at once, then
   * each newer state of any, never an older one, over lost connections (those that ended meanwhile included; some that
   * ended seconds before it began may be, too). Resolves when the notifier has acknowledged, with a function that ends it.
   *
   * @param onError as of `onProgress`; with TOO_MANY_ACTIONS the account has more actions than can be followed together.
   * @throws SubscriptionRefusedError, ConnectionLostError, ClientClosedError.
   */
  onAccountProgress(
    listener: (update: ActionUpdate) => void,
    onError: (error: unknown) => void = throwUncaught,
  ): Promise<() => Promise<void>> {
    return acknowledged((of) => guarded(of, () => this.#progress.followAccount(of)), listener, onError);
  }

  /**
   * Waits until an action has ended, over lost connections.
   *
   * @returns the final state of a completed action.
   * @throws ActionEndedError when it failed or was cancelled; CompletionTimeoutError; AbortedError; what `onProgress` of
   * this class throws; what the given `onProgress` threw.
   */
  waitForCompletion(actionId: string, options: WaitOptions = {}): Promise<ActionUpdate> {
    return completionOf(actionId, (listener) => this.#follow(actionId, listener), options);
  }

  /** Ends all that is followed (CLIENT_CLOSED) and the connection; REST calls under way finish. */
  close(): void {
    this.#progress.close();
  }

  #follow(actionId: string, listener: ProgressListener): () => void {
    return guarded(listener, () =>
      this.#progress.follow(checked(actionIdSchema, actionId, 'actionId'), listener),
    );
  }
}

/** Follows, with faults of the beginning told to the listener. */
function guarded(listener: ProgressListener, follow: () => () => void): () => void {
  try {
    return follow();
  } catch (error) {
    listener.failed(error);
    return () => undefined;
  }
}

/** Resolves at the acknowledgement with what ends it; until then errors reject, later ones go to `onError`. */
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
