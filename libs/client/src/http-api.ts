import {
  failureSchema,
  paginationSchema,
  successSchema,
  type ErrorBody,
  type Pagination,
} from '@bulk/contracts';
import { z } from 'zod';
import { BulkApiError, InvalidAnswerError, NetworkError } from './errors.ts';

/** The part of an answer that is used; `fetch`'s Response is one. */
export interface FetchAnswer {
  readonly ok: boolean;
  readonly status: number;
  readonly headers: { get(name: string): string | null };
  text(): Promise<string>;
}

export interface FetchRequest {
  readonly method: string;
  readonly headers: Record<string, string>;
  readonly body?: string;
  readonly signal: AbortSignal;
}

/** The part of `fetch` that is used. */
export type Fetch = (url: string, request: FetchRequest) => Promise<FetchAnswer>;

export interface HttpApiOptions {
  readonly baseUrl: string;
  readonly accountId: string;
  readonly fetch: Fetch;
  /** Longest wait for an answer, in ms. */
  readonly timeoutMs: number;
}

export interface ApiRequest {
  readonly method?: 'GET' | 'POST';
  /** Below the base URL, without a leading slash. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | undefined>>;
  readonly body?: unknown;
}

/** Speaks REST with the API: account, envelope, errors. */
export class HttpApi {
  readonly #options: HttpApiOptions;

  constructor(options: HttpApiOptions) {
    this.#options = options;
  }

  /**
   * The data of a successful answer, validated.
   *
   * @throws BulkApiError when it is refused; NetworkError when there is no answer; InvalidAnswerError.
   */
  async one<T>(request: ApiRequest, schema: z.ZodType<T>): Promise<T> {
    return (await this.#send(request, successSchema(schema))).data;
  }

  /** A page of a collection; throws as `one`. */
  async page<T>(
    request: ApiRequest,
    schema: z.ZodType<T>,
  ): Promise<{ entries: T[]; pagination: Pagination }> {
    const envelope = successSchema(z.array(schema)).extend({ pagination: paginationSchema });
    const { data, pagination } = await this.#send(request, envelope);
    return { entries: data, pagination };
  }

  async #send<T>(request: ApiRequest, envelope: z.ZodType<T>): Promise<T> {
    const url = this.#url(request);
    const { answer, text } = await this.#exchange(url, request);
    if (!answer.ok) throw new BulkApiError(answer.status, errorOf(answer.status, text), requestIdOf(answer));
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

  async #exchange(url: string, request: ApiRequest): Promise<{ answer: FetchAnswer; text: string }> {
    const { fetch, accountId, timeoutMs } = this.#options;
    const { method = 'GET', body } = request;
    try {
      const answer = await fetch(url, {
        method,
        headers: {
          accept: 'application/json',
          'x-account-id': accountId,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        signal: AbortSignal.timeout(timeoutMs),
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      return { answer, text: await answer.text() };
    } catch (cause) {
      throw new NetworkError(url, cause);
    }
  }
}

function requestIdOf(answer: FetchAnswer): string | null {
  return answer.headers.get('x-request-id');
}

/** What a refusal says; something between us and the API may have answered in its own words. */
function errorOf(status: number, text: string): ErrorBody {
  try {
    return failureSchema.parse(JSON.parse(text)).error;
  } catch {
    return { code: `HTTP_${status}`, message: `the API answered with status ${status}` };
  }
}
