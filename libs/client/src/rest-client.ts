import {
  actionPaginationSchema,
  actionStatsSchema,
  actionViewSchema,
  columnMappingSchema,
  incompleteResultsSchema,
  logEntrySchema,
  logPaginationSchema,
  logSummarySchema,
  MAX_LIMIT,
  resultWithInputSchema,
  statusSummarySchema,
  type ActionStats,
  type ActionView,
  type ColumnMapping,
  type ColumnMappingInput,
  type CreateActionRequest,
  type IncompleteResults,
  type LogEntry,
  type LogSummary,
  type ResultWithInput,
  type RetryRequest,
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
  UndoOptions,
  UploadOptions,
  UploadParameters,
} from './rest-types.ts';
import { RecordsClient } from './records-client.ts';
import { linesOf } from './text-stream.ts';

/** Maximum time for an upload and its answer, in ms. */
const UPLOAD_TIMEOUT_MS = 600_000;

/**
 * The REST half of the client.
 *
 * Calls throw BulkApiError if the API refuses them, NetworkError if there is no answer, InvalidAnswerError if the
 * client does not understand the answer, and AbortedError if their signal aborts.
 */
export class RestClient extends RecordsClient {
  readonly #http: HttpApi;

  protected constructor(http: HttpApi) {
    super(http);
    this.#http = http;
  }

  /**
   * Creates an action and resolves when the API has accepted it. A call without a key gets a random one.
   *
   * It is safe to repeat: the API answers the same key and request with the same action. Transient failures (no answer,
   * 429, 503, …) are retried according to `retry`. After a NetworkError the action may exist: repeat the call with the
   * same `idempotencyKey` to find out.
   */
  createAction(request: CreateActionRequest, options: CreateOptions = {}): Promise<ActionView> {
    const { timeoutMs = request.filter === undefined ? undefined : UPLOAD_TIMEOUT_MS, signal } = options;
    return this.#create({ body: JSON.stringify(request), timeoutMs, signal }, options, {
      'content-type': 'application/json',
    });
  }

  /**
   * Like `createAction`, with only the entities as a CSV (whose first row names the columns) or as NDJSON. A string or
   * Uint8Array is retried. A stream cannot be sent twice, and only Node and some browsers can send one at all.
   *
   * @param body compressed already if `contentEncoding` says so.
   */
  uploadEntities(
    parameters: UploadParameters,
    body: UploadBody,
    options: UploadOptions,
  ): Promise<ActionView> {
    const { config, retry, columns, ...query } = parameters;
    return this.#upload({ ...query, ...asJson({ config, retry, columns }) }, body, options);
  }

  #upload(
    query: NonNullable<ApiRequest['query']>,
    body: UploadBody,
    options: UploadOptions,
  ): Promise<ActionView> {
    const { contentType, contentEncoding, timeoutMs = UPLOAD_TIMEOUT_MS, signal } = options;
    return this.#create(
      {
        query,
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

  /** Returns a page of the account's actions, newest first by default. */
  listActions(options: ListActionsOptions = {}): Promise<ActionsPage> {
    return this.#http.page(
      { path: ACTIONS, query: { ...options } },
      actionViewSchema,
      actionPaginationSchema,
    );
  }

  /**
   * Iterates over the account's actions and requests each page when it is needed. The list can change meanwhile: an
   * action is not returned twice, but an action that leaves the list (because its status is no longer `status`) may
   * hide another one.
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

  /** Returns the number of the account's actions in each status. */
  getStatusSummary(): Promise<StatusSummary> {
    return this.#http.one({ path: `${ACTIONS}/status/summary` }, statusSummarySchema);
  }

  /** Cancels an action: positions that are not processed yet are skipped, and then the action is `cancelled`. */
  cancelAction(actionId: string): Promise<ActionView> {
    return this.#control(actionId, 'cancel');
  }

  /** Pauses the dispatch of an action's remaining batches until `resumeAction`. */
  pauseAction(actionId: string): Promise<ActionView> {
    return this.#control(actionId, 'pause');
  }

  resumeAction(actionId: string): Promise<ActionView> {
    return this.#control(actionId, 'resume');
  }

  /**
   * Tries failed positions of an ended action again. Positions that another retry tries, or has fixed, are left out.
   *
   * Without a request it tries all of them, and a repeated call returns the same action. With a request every call is a
   * retry of its own, which is safe to repeat with the same `idempotencyKey`; see `createAction`.
   *
   * @returns the new action, whose `retryOf` is the old one.
   */
  retryAction(actionId: string, request?: RetryRequest, options: CreateOptions = {}): Promise<ActionView> {
    const { timeoutMs = UPLOAD_TIMEOUT_MS, signal } = options;
    if (request === undefined) return this.#control(actionId, 'retry', { timeoutMs, signal });
    return this.#create(
      { path: pathOf(actionId, '/retry'), body: JSON.stringify(request), timeoutMs, signal },
      options,
      { 'content-type': 'application/json' },
    );
  }

  /**
   * Sends the results of an action again as a CSV that a person has corrected. They come from `results` with `include:
   * 'input'`. The rows are matched by `_row`, and rows that have succeeded are left out; see `uploadEntities`.
   *
   * @returns the new action, a retry of the old one. Its `leftOut` has the number of rows that were left out.
   */
  uploadCorrected(
    actionId: string,
    body: UploadBody,
    options: Omit<UploadOptions, 'contentType'> & Pick<UploadParameters, 'delimiter'> = {},
  ): Promise<ActionView> {
    const { delimiter, ...rest } = options;
    return this.#upload({ retryOf: actionId, delimiter }, body, { ...rest, contentType: 'text/csv' });
  }

  /**
   * Puts back what was there before an ended action that ran with `changes: 'values'`.
   *
   * @returns the new action, whose `undoOf` is the old one.
   */
  undo(
    actionId: string,
    { dryRun, timeoutMs = UPLOAD_TIMEOUT_MS, signal }: UndoOptions = {},
  ): Promise<ActionView> {
    return this.#http.one(
      { method: 'POST', path: pathOf(actionId, '/undo'), query: { dryRun }, timeoutMs, signal },
      actionViewSchema,
    );
  }

  /** Returns counts, rate and estimated end of an action. */
  getStats(actionId: string): Promise<ActionStats> {
    return this.#http.one({ path: pathOf(actionId, '/stats') }, actionStatsSchema);
  }

  /** Returns a page of outcomes by position. */
  getLogs(actionId: string, options: LogsOptions = {}): Promise<LogsPage> {
    return this.#http.page(
      { path: pathOf(actionId, '/logs'), query: { ...options, code: asList(options.code) } },
      logEntrySchema,
      logPaginationSchema,
    );
  }

  /**
   * Iterates over all outcomes by position and requests each page when it is needed.
   *
   * For a running action it stops before the first position that has no outcome yet. To continue later, pass the last
   * position as `after`: no outcome is omitted or repeated.
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

  /** Returns the counts per outcome and per code. */
  getLogSummary(actionId: string): Promise<LogSummary> {
    return this.#http.one({ path: pathOf(actionId, '/logs/summary') }, logSummarySchema);
  }

  /**
   * Returns all outcomes as a file, in pieces of its text as they arrive. The pieces may be cut anywhere. The request
   * is sent when the first piece is read, and leaving the loop ends it. Throws NetworkError if the answer breaks off.
   */
  results(
    actionId: string,
    { format, type, code, id, ref, include, exact, signal }: ResultsOptions & ResultsFile,
  ): AsyncGenerator<string> {
    return this.#http.text({
      path: pathOf(actionId, `/results.${format}`),
      query: { type, code: asList(code), id, ref, include, exact: format === 'csv' ? exact : undefined },
      headers: { accept: `${format === 'csv' ? 'text/csv' : 'application/x-ndjson'}, application/json` },
      signal,
    });
  }

  /** Iterates over all outcomes in one request, from the file that `results` returns. */
  async *iterateResults(actionId: string, options: ResultsOptions = {}): AsyncGenerator<ResultWithInput> {
    for await (const line of linesOf(this.results(actionId, { ...options, format: 'ndjson' }))) {
      yield parsedEntry(line);
    }
  }

  /** Returns the saved column mappings of the account, by name. */
  listColumnMappings(): Promise<ColumnMapping[]> {
    return this.#http.one({ path: MAPPINGS }, columnMappingSchema.array());
  }

  getColumnMapping(name: string): Promise<ColumnMapping> {
    return this.#http.one({ path: mappingPath(name) }, columnMappingSchema);
  }

  /** Saves a column mapping under a name, in place of the one that has it, for `mapping` of `uploadEntities`. */
  putColumnMapping(name: string, mapping: ColumnMappingInput): Promise<ColumnMapping> {
    return this.#http.one(
      {
        method: 'PUT',
        path: mappingPath(name),
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(mapping),
        idempotent: true,
      },
      columnMappingSchema,
    );
  }

  /** Deletes a saved column mapping. @returns the mapping that was deleted. */
  deleteColumnMapping(name: string): Promise<ColumnMapping> {
    return this.#http.one({ method: 'DELETE', path: mappingPath(name) }, columnMappingSchema);
  }

  #create(
    request: Omit<ApiRequest, 'path'> & Partial<Pick<ApiRequest, 'path'>>,
    { idempotencyKey = randomKey() }: CreateOptions,
    headers: Readonly<Record<string, string>>,
  ): Promise<ActionView> {
    return this.#http.one(
      {
        path: ACTIONS,
        ...request,
        method: 'POST',
        headers: { ...headers, 'idempotency-key': idempotencyKey },
        idempotent: true,
      },
      actionViewSchema,
    );
  }

  #control(
    actionId: string,
    what: 'cancel' | 'pause' | 'resume' | 'retry',
    options: Pick<ApiRequest, 'timeoutMs' | 'signal'> = {},
  ): Promise<ActionView> {
    return this.#http.one(
      { ...options, method: 'POST', path: pathOf(actionId, `/${what}`) },
      actionViewSchema,
    );
  }
}

const ACTIONS = 'bulk-actions';
const MAPPINGS = 'column-mappings';
const resultsRowSchema = resultWithInputSchema.or(incompleteResultsSchema);

function pathOf(actionId: string, rest = ''): string {
  return `${ACTIONS}/${encodeURIComponent(actionId)}${rest}`;
}

function mappingPath(name: string): string {
  return `${MAPPINGS}/${encodeURIComponent(name)}`;
}

/** Parses a line of results. @throws InvalidAnswerError, also if the line reports that the results are incomplete. */
function parsedEntry(line: string): ResultWithInput {
  const row = parsedRow(line);
  if (row.status !== 'incomplete') return row;
  throw new InvalidAnswerError(`the results are incomplete: ${row.message}`);
}

function parsedRow(line: string): ResultWithInput | IncompleteResults {
  try {
    return resultsRowSchema.parse(JSON.parse(line));
  } catch (cause) {
    throw new InvalidAnswerError('a line of the results is not understood', cause);
  }
}

/** Returns a random UUID. `crypto.randomUUID` does not exist on a page that was loaded without TLS. */
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

/** Returns codes as one parameter of a query. */
function asList(codes: string | readonly string[] | undefined): string | undefined {
  return codes === undefined || typeof codes === 'string' ? codes : codes.join(',');
}

/** Converts parameters to JSON for a query, without absent ones. */
function asJson(parameters: Readonly<Record<string, unknown>>): Record<string, string> {
  const given = Object.entries(parameters).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given.map(([name, value]) => [name, JSON.stringify(value)]));
}
