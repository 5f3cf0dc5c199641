import {
  actionStatsSchema,
  actionViewSchema,
  logEntrySchema,
  logSummarySchema,
  MAX_LIMIT,
  type ActionStats,
  type ActionUpdate,
  type ActionView,
  type CreateActionRequest,
  type LogEntry,
  type LogSummary,
  type Pagination,
} from '@bulk/contracts';
import { accountIdSchema, actionIdSchema, type OutcomeStatus } from '@bulk/domain';
import { checked, checkedUrl, HTTP_PROTOCOLS, webSocketUrl } from './arguments.ts';
import { completionOf, type WaitOptions } from './completion.ts';
import { asError, ClientClosedError } from './errors.ts';
import { HttpApi, type Fetch } from './http-api.ts';
import { ProgressConnection, type ProgressListener, type ReconnectOptions } from './progress-connection.ts';
import { platformWebSocket, type WebSocketConstructor } from './web-socket.ts';

export interface BulkClientOptions {
  /** Of the REST API, e.g. `http://localhost:3000`; may have a path. */
  readonly baseUrl: string;
  /** Of the notifier, e.g. `ws://localhost:3001`; default: the base URL's host, where one gateway serves both. */
  readonly websocketUrl?: string;
  readonly accountId: string;
  /** Default: the platform's. */
  readonly fetch?: Fetch;
  /** Default: the platform's, else that of `ws`. */
  readonly WebSocket?: WebSocketConstructor;
  /** Longest wait for an answer of the REST API, in ms; default 30,000. */
  readonly requestTimeoutMs?: number;
  readonly reconnect?: Partial<ReconnectOptions>;
  /** Silence of the notifier after which it is asked for a sign of life, in ms; default 15,000. */
  readonly keepAliveMs?: number;
}

export interface LogsOptions {
  /** Only these outcomes. */
  readonly type?: OutcomeStatus;
  /** 1 to 1000; default 50. */
  readonly limit?: number;
  readonly skip?: number;
  /** Only later positions than this; instead of `skip`, and quick on deep pages. */
  readonly after?: number;
}

export interface LogsPage {
  readonly entries: LogEntry[];
  readonly pagination: Pagination;
}

const DEFAULT_RECONNECT: ReconnectOptions = { initialDelayMs: 250, maxDelayMs: 10_000, maxAttempts: 20 };

/**
 * A client of the platform, for one account. Every answer is validated; every error has a stable `code` and says whether
 * it is `retryable`. REST calls throw BulkApiError when they are refused, NetworkError when there is no answer,
 * InvalidAnswerError when it is not understood.
 */
export class BulkClient {
  readonly #http: HttpApi;
  readonly #progress: ProgressConnection;

  /** @throws InvalidArgumentError when the account or a URL is none. */
  constructor(options: BulkClientOptions) {
    const accountId = checked(accountIdSchema, options.accountId, 'accountId');
    const baseUrl = checkedUrl(options.baseUrl, 'baseUrl', HTTP_PROTOCOLS);
    this.#http = new HttpApi({
      baseUrl: baseUrl.href,
      accountId,
      fetch: options.fetch ?? ((url, request) => globalThis.fetch(url, request)),
      timeoutMs: options.requestTimeoutMs ?? 30_000,
    });
    const { WebSocket: implementation } = options;
    this.#progress = new ProgressConnection({
      url: webSocketUrl(options.websocketUrl, baseUrl, accountId),
      webSocket: implementation === undefined ? platformWebSocket : () => Promise.resolve(implementation),
      reconnect: { ...DEFAULT_RECONNECT, ...options.reconnect },
      keepAliveMs: options.keepAliveMs ?? 15_000,
      random: Math.random,
    });
  }

  /** Has an action carried out; resolves when it is accepted. Not idempotent: after a NetworkError it may be there. */
  createAction(request: CreateActionRequest): Promise<ActionView> {
    return this.#http.one({ method: 'POST', path: 'bulk-actions', body: request }, actionViewSchema);
  }

  getAction(actionId: string): Promise<ActionView> {
    return this.#http.one({ path: pathOf(actionId) }, actionViewSchema);
  }

  /** Counts, rate and estimate. */
  getStats(actionId: string): Promise<ActionStats> {
    return this.#http.one({ path: pathOf(actionId, '/stats') }, actionStatsSchema);
  }

  /** Outcomes by position, one page of them. */
  getLogs(actionId: string, options: LogsOptions = {}): Promise<LogsPage> {
    return this.#http.page({ path: pathOf(actionId, '/logs'), query: { ...options } }, logEntrySchema);
  }

  /** All outcomes by position, page by page as they are asked for; of a running action, those so far. */
  async *iterateLogs(actionId: string, options: Omit<LogsOptions, 'skip'> = {}): AsyncGenerator<LogEntry> {
    const limit = options.limit ?? MAX_LIMIT;
    let { after } = options;
    for (;;) {
      const { entries } = await this.getLogs(actionId, {
        ...options,
        limit,
        ...(after === undefined ? {} : { after }),
      });
      yield* entries;
      const last = entries.at(-1);
      if (last === undefined || entries.length < limit) return;
      after = last.position;
    }
  }

  /** Counts per outcome and per code. */
  getLogSummary(actionId: string): Promise<LogSummary> {
    return this.#http.one({ path: pathOf(actionId, '/logs/summary') }, logSummarySchema);
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
    return new Promise((resolve, reject) => {
      let acknowledged = false;
      const leave = this.#follow(actionId, {
        subscribed: () => {
          acknowledged = true;
          resolve(() => {
            leave();
            return Promise.resolve();
          });
        },
        updated: listener,
        failed: (error) => (acknowledged ? onError(error) : reject(asError(error))),
      });
    });
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

  /** Like the connection's, with faults told to the listener. */
  #follow(actionId: string, listener: ProgressListener): () => void {
    try {
      return this.#progress.follow(checked(actionIdSchema, actionId, 'actionId'), listener);
    } catch (error) {
      listener.failed(error);
      return () => undefined;
    }
  }
}

function pathOf(actionId: string, rest = ''): string {
  return `bulk-actions/${encodeURIComponent(actionId)}${rest}`;
}

function throwUncaught(error: unknown): void {
  // Whoever closed the client knows.
  if (error instanceof ClientClosedError) return;
  queueMicrotask(() => {
    throw asError(error);
  });
}
