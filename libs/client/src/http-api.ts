import { failureSchema, successSchema, type ErrorBody } from '@bulk/contracts';
import { z } from 'zod';
import { AbortedError, BulkApiError, InvalidAnswerError, NetworkError } from './errors.ts';
import type { Fetch, FetchAnswer } from './fetch.ts';
import type { TokenSource } from './arguments.ts';
import type { Retrying } from './retrying.ts';
import { isRepeatable, type RequestBody } from './request-body.ts';
import { textOf } from './text-stream.ts';

export interface HttpApiOptions {
  readonly baseUrl: string;
  /** Undefined if the token contains the account. */
  readonly accountId: string | undefined;
  readonly token: TokenSource | undefined;
  readonly fetch: Fetch;
  /** Maximum wait for an answer, in ms. */
  readonly timeoutMs: number;
  readonly retrying: Retrying;
}

export interface ApiRequest {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Path below the base URL, without a leading slash. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: RequestBody;
  /** Whether the request may be sent again after a retryable error. */
  readonly idempotent?: boolean;
  /** Time limit in place of the client's, in ms. */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Sends REST requests to the API: account, token, envelope, errors, retries. */
export class HttpApi {
  readonly #options: HttpApiOptions;

  constructor(options: HttpApiOptions) {
    this.#options = options;
  }

  /**
   * Returns the validated data of a successful answer.
   *
   * @throws BulkApiError if the API refuses the request.
   * @throws NetworkError if there is no answer.
   * @throws InvalidAnswerError, AbortedError, and the errors of the token's function.
   */
  async one<T>(request: ApiRequest, schema: z.ZodType<T>): Promise<T> {
    return (await this.#send(request, successSchema(schema))).data;
  }

  /** Returns a page of a collection. It throws like `one`. */
  async page<T, P>(
    request: ApiRequest,
    schema: z.ZodType<T>,
    pagination: z.ZodType<P>,
  ): Promise<{ entries: T[]; pagination: P }> {
    const envelope = z.object({ success: z.literal(true), data: z.array(schema), pagination });
    const page = await this.#send(request, envelope);
    return { entries: page.data, pagination: page.pagination };
  }

  /**
   * Returns the text of a successful answer as it arrives. Leaving the loop ends the request. It throws like `one`, and
   * NetworkError if the answer breaks off or nothing arrives within the time limit.
   */
  async *text(request: ApiRequest): AsyncGenerator<string> {
    const url = this.#url(request);
    const abort = new AbortController();
    const signal =
      request.signal === undefined ? abort.signal : AbortSignal.any([abort.signal, request.signal]);
    const timeoutMs = request.timeoutMs ?? this.#options.timeoutMs;
    const expire = (): void => abort.abort(new Error(`nothing came for ${timeoutMs} ms`));
    let timer = setTimeout(expire, timeoutMs);
    try {
      const answer = await this.#fetch(url, request, signal, await this.#headers(request));
      if (!answer.ok) throw refusal(answer, await answer.text());
      for await (const chunk of textOf(answer)) {
        // While the reader works, nothing waits for the API.
        clearTimeout(timer);
        yield chunk;
        timer = setTimeout(expire, timeoutMs);
      }
    } catch (error) {
      throw this.#faultOf(error, url, request.signal);
    } finally {
      clearTimeout(timer);
      abort.abort();
    }
  }

  #send<T>(request: ApiRequest, envelope: z.ZodType<T>): Promise<T> {
    const attempt = (): Promise<T> => this.#sendOnce(request, envelope);
    const again = request.idempotent === true && (request.body === undefined || isRepeatable(request.body));
    return again ? this.#options.retrying.run(attempt, request.signal) : attempt();
  }

  async #sendOnce<T>(request: ApiRequest, envelope: z.ZodType<T>): Promise<T> {
    const url = this.#url(request);
    const headers = await this.#headers(request);
    const timeout = AbortSignal.timeout(request.timeoutMs ?? this.#options.timeoutMs);
    const signal = request.signal === undefined ? timeout : AbortSignal.any([timeout, request.signal]);
    let answer: FetchAnswer;
    let text: string;
    try {
      answer = await this.#fetch(url, request, signal, headers);
      text = await answer.text();
    } catch (error) {
      throw this.#faultOf(error, url, request.signal);
    }
    if (!answer.ok) throw refusal(answer, text);
    try {
      return envelope.parse(JSON.parse(text));
    } catch (cause) {
      throw new InvalidAnswerError(`the answer of ${url} is not understood`, cause);
    }
  }

  #url({ path, query = {} }: ApiRequest): string {
    const url = new URL(path, `${this.#options.baseUrl.replace(/\/+$/, '')}/`);
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined) url.searchParams.set(name, String(value));
    }
    return url.href;
  }

  async #headers(request: ApiRequest): Promise<Record<string, string>> {
    const { accountId, token } = this.#options;
    return {
      accept: 'application/json',
      ...(accountId === undefined ? {} : { 'x-account-id': accountId }),
      ...(token === undefined ? {} : { authorization: `Bearer ${await token()}` }),
      ...request.headers,
    };
  }

  #fetch(
    url: string,
    { method = 'GET', body }: ApiRequest,
    signal: AbortSignal,
    headers: Record<string, string>,
  ): Promise<FetchAnswer> {
    return this.#options.fetch(url, {
      method,
      headers,
      signal,
      ...(body === undefined ? {} : { body }),
      ...(body === undefined || isRepeatable(body) ? {} : { duplex: 'half' }),
    });
  }

  #faultOf(error: unknown, url: string, signal: AbortSignal | undefined): unknown {
    if (signal?.aborted === true) return new AbortedError(signal.reason);
    return error instanceof BulkApiError ? error : new NetworkError(url, error);
  }
}

/** Returns the error of a refusal. An intermediary may have answered in its own format. */
function refusal({ status, headers }: FetchAnswer, text: string): BulkApiError {
  let body: ErrorBody;
  try {
    body = failureSchema.parse(JSON.parse(text)).error;
  } catch {
    body = { code: `HTTP_${status}`, message: `the API answered with status ${status}` };
  }
  return new BulkApiError(status, body, {
    requestId: headers.get('x-request-id'),
    retryAfter: headers.get('retry-after'),
  });
}
