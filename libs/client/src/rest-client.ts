import {
  actionPaginationSchema,
  actionStatsSchema,
  actionViewSchema,
  incompleteResultsSchema,
  logEntrySchema,
  logPaginationSchema,
  logSummarySchema,
  MAX_LIMIT,
  statusSummarySchema,
  type ActionStats,
  type ActionView,
  type CreateActionRequest,
  type IncompleteResults,
  type LogEntry,
  type LogSummary,
  type StatusSummary,
} from '@bulk/contracts';
import { InvalidAnswerError } from './errors.ts';
import type { ApiRequest, HttpApi } from './http-api.ts';
import { requestBodyOf, type UploadBody } from './request-body.ts';
import type {
  ActionsPage,
  CreateOptions,
  ListActionsOptions,
  LogsOptions,
  LogsPage,
  ResultsFile,
  ResultsOptions,
  UploadOptions,
  UploadParameters,
} from './rest-types.ts';
import { linesOf } from './text-stream.ts';

/** Longest time for an upload and its answer, in ms. */
const UPLOAD_TIMEOUT_MS = 600_000;

/**
 * The REST half of the client. Calls throw BulkApiError when they are refused, NetworkError when there is no answer,
 * InvalidAnswerError when it is not understood, AbortedError when their signal aborts.
 */
export class RestClient {
  readonly #http: HttpApi;

  protected constructor(http: HttpApi) {
    this.#http = http;
  }

  /**
   * Has an action carried out; resolves when it is accepted. Safe to repeat, since the API answers the same key and request
   * with the same action: without a key it gets a random one, and whatever may pass (no answer, 429, 503, …) is tried again
   * as `retry` says. After a NetworkError the action may be there: the same call with the same `idempotencyKey` tells.
   */
  createAction(request: CreateActionRequest, options: CreateOptions = {}): Promise<ActionView> {
    return this.#create({ body: JSON.stringify(request), signal: options.signal }, options, {
      'content-type': 'application/json',
    });
  }

  /**
   * Like `createAction`, with the entities alone as a CSV (whose first row names the columns) or as NDJSON. A string or
   * Uint8Array is tried again; a stream cannot be sent twice, and only Node and some browsers can send one at all.
   *
   * @param body compressed already where `contentEncoding` says so.
   */
  uploadEntities(
    parameters: UploadParameters,
    body: UploadBody,
    options: UploadOptions,
  ): Promise<ActionView> {
    const { contentType, contentEncoding, timeoutMs = UPLOAD_TIMEOUT_MS, signal } = options;
    const { config, retry, ...query } = parameters;
    return this.#create(
      {
        query: { ...query, ...asJson({ config, retry }) },
        body: requestBodyOf(body),
        timeoutMs,
        signal,
      },
      options,
      {
        'content-type': contentType,
        ...(contentEncoding === undefined ? {} : { 'content-encoding': contentEncoding }),
      },
    );
  }

  getAction(actionId: string): Promise<ActionView> {
    return this.#http.one({ path: pathOf(actionId) }, actionViewSchema);
  }

  /** The account's actions, newest first unless sorted otherwise, one page of them. */
  listActions(options: ListActionsOptions = {}): Promise<ActionsPage> {
    return this.#http.page(
      { path: ACTIONS, query: { ...options } },
      actionViewSchema,
      actionPaginationSchema,
    );
  }

  /**
   * The account's actions, page by page as they are asked for. The list moves meanwhile: one that has come is not given
   * twice, one that leaves the list (its status is not `status` any more) may hide another.
   */
  async *iterateActions(options: ListActionsOptions = {}): AsyncGenerator<ActionView> {
    const limit = options.limit ?? MAX_LIMIT;
    let previous = new Set<string>();
    for (let skip = options.skip ?? 0; ; skip += limit) {
      const { entries } = await this.listActions({ ...options, limit, skip });
      for (const action of entries) if (!previous.has(action.actionId)) yield action;
      if (entries.length < limit) return;
      previous = new Set(entries.map(({ actionId }) => actionId));
    }
  }

  /** How many of the account's actions are in each status. */
  getStatusSummary(): Promise<StatusSummary> {
    return this.#http.one({ path: `${ACTIONS}/status/summary` }, statusSummarySchema);
  }

  /** Cancels: what is not processed yet is skipped, and then the action is `cancelled`. */
  cancelAction(actionId: string): Promise<ActionView> {
    return this.#control(actionId, 'cancel');
  }

  /** Stops the dispatch of what is not dispatched yet, until `resumeAction`. */
  pauseAction(actionId: string): Promise<ActionView> {
    return this.#control(actionId, 'pause');
  }

  resumeAction(actionId: string): Promise<ActionView> {
    return this.#control(actionId, 'resume');
  }

  /** Tries the failed positions of an ended action again. @returns the new action, whose `retryOf` is the old one. */
  retryAction(actionId: string): Promise<ActionView> {
    return this.#control(actionId, 'retry');
  }

  /** Counts, rate and estimate. */
  getStats(actionId: string): Promise<ActionStats> {
    return this.#http.one({ path: pathOf(actionId, '/stats') }, actionStatsSchema);
  }

  /** Outcomes by position, one page of them. */
  getLogs(actionId: string, options: LogsOptions = {}): Promise<LogsPage> {
    return this.#http.page(
      { path: pathOf(actionId, '/logs'), query: { ...options } },
      logEntrySchema,
      logPaginationSchema,
    );
  }

  /**
   * Reads all outcomes by position, page by page as they are asked for.
   *
   * Of a running action it reads those before the first position that has no outcome yet. To continue later, pass the
   * position of the last one as `after`: none is omitted and none is repeated.
   */
  async *iterateLogs(actionId: string, options: Omit<LogsOptions, 'skip'> = {}): AsyncGenerator<LogEntry> {
    const limit = options.limit ?? MAX_LIMIT;
    let { after } = options;
    for (;;) {
      const { entries, pagination } = await this.getLogs(actionId, {
        ...options,
        limit,
        ...(after === undefined ? {} : { after }),
      });
      yield* entries;
      const { more = entries.length === limit, next = entries.at(-1)?.position } = pagination;
      if (!more || next === undefined || next === after) return;
      after = next;
    }
  }

  /** Counts per outcome and per code. */
  getLogSummary(actionId: string): Promise<LogSummary> {
    return this.#http.one({ path: pathOf(actionId, '/logs/summary') }, logSummarySchema);
  }

  /**
   * All outcomes as a file, as it comes: pieces of its text, cut anywhere. Nothing is asked before the first piece is;
   * leaving the loop ends it. Throws NetworkError when the answer breaks off.
   */
  results(
    actionId: string,
    { format, type, exact, signal }: ResultsOptions & ResultsFile,
  ): AsyncGenerator<string> {
    return this.#http.text({
      path: pathOf(actionId, `/results.${format}`),
      query: { type, exact: format === 'csv' ? exact : undefined },
      headers: { accept: `${format === 'csv' ? 'text/csv' : 'application/x-ndjson'}, application/json` },
      signal,
    });
  }

  /** All outcomes in one request, as `results` gives them. */
  async *iterateResults(actionId: string, options: ResultsOptions = {}): AsyncGenerator<LogEntry> {
    for await (const line of linesOf(this.results(actionId, { ...options, format: 'ndjson' }))) {
      yield parsedEntry(line);
    }
  }

  #create(
    request: Omit<ApiRequest, 'path'>,
    { idempotencyKey = randomKey() }: CreateOptions,
    headers: Readonly<Record<string, string>>,
  ): Promise<ActionView> {
    return this.#http.one(
      {
        ...request,
        method: 'POST',
        path: ACTIONS,
        headers: { ...headers, 'idempotency-key': idempotencyKey },
        idempotent: true,
      },
      actionViewSchema,
    );
  }

  #control(actionId: string, what: 'cancel' | 'pause' | 'resume' | 'retry'): Promise<ActionView> {
    return this.#http.one({ method: 'POST', path: pathOf(actionId, `/${what}`) }, actionViewSchema);
  }
}

const ACTIONS = 'bulk-actions';
const resultsRowSchema = logEntrySchema.or(incompleteResultsSchema);

function pathOf(actionId: string, rest = ''): string {
  return `${ACTIONS}/${encodeURIComponent(actionId)}${rest}`;
}

/** @throws InvalidAnswerError also where the line says that those before it are not all. */
function parsedEntry(line: string): LogEntry {
  const row = parsedRow(line);
  if (row.status !== 'incomplete') return row;
  throw new InvalidAnswerError(`the results are incomplete: ${row.message}`);
}

function parsedRow(line: string): LogEntry | IncompleteResults {
  try {
    return resultsRowSchema.parse(JSON.parse(line));
  } catch (cause) {
    throw new InvalidAnswerError('a line of the results is not understood', cause);
  }
}

/** A random UUID; `crypto.randomUUID` is not there on a page that came without TLS. */
function randomKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  const variant = '89ab'.charAt((bytes[8] ?? 0) & 3);
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `4${hex.slice(13, 16)}`,
    `${variant}${hex.slice(17, 20)}`,
    hex.slice(20),
  ].join('-');
}

/** Parameters that travel in a query as JSON; without those that are absent. */
function asJson(parameters: Readonly<Record<string, unknown>>): Record<string, string> {
  const given = Object.entries(parameters).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given.map(([name, value]) => [name, JSON.stringify(value)]));
}
