import type { FaultKind } from '@bulk/domain';
import { KafkaJSConnectionError } from 'kafkajs/src/errors.js';
import { z } from 'zod';

/**
 * Shortest remaining lifetime of a token that is used, in ms. kafkajs authenticates again 10 s before a session ends
 * (`reauthenticationThreshold`), so a token with less would make it do so before every request.
 */
const MIN_REMAINING_MS = 15_000;
/** Share of its lifetime that a token has left when the next one is requested. */
const REFRESH_SHARE = 0.2;
/** Time after a failed request before the next one, in ms. */
const RETRY_MS = 1_000;

/** The clocks by which a token ages: the monotonic clock may stand still while a virtual machine does. */
const CLOCKS = [() => performance.now(), () => Date.now()] as const;

/**
 * Thrown if the token endpoint does not answer or refuses. It is an outage of Kafka, and never the fault of a message.
 *
 * The base class makes kafkajs close the connection, whose handshake is half done, and retry. The error has no cause,
 * since kafkajs would pass on the cause in its place.
 */
export class TokenUnavailableError extends KafkaJSConnectionError {
  readonly code = 'KAFKA_TOKEN_UNAVAILABLE';
  readonly retryable = true;
  readonly fault: FaultKind;

  constructor(url: string, reason: string, fault: FaultKind) {
    super(`no OAuth token from ${new URL(url).origin} (${fault}): ${reason}`);
    this.fault = fault;
  }
}

export interface OAuthTokensOptions {
  /** The token endpoint. */
  readonly url: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly scope: string | undefined;
  /** Maximum wait for an answer, in ms. */
  readonly timeoutMs: number;
  /** Clocks, in ms. A token is as old as the fastest of them says. */
  readonly clocks?: readonly (() => number)[];
}

/** A token (RFC 6750), without characters that could end it within the request to a broker. */
const tokenSchema = z.object({
  access_token: z.string().regex(/^[\w.~+/-]+=*$/),
  token_type: z.string().regex(/^bearer$/i),
  expires_in: z.coerce.number().positive().optional(),
});
const refusalSchema = z.object({ error: z.string().regex(/^[a-z_]{1,40}$/) });

/** What was read from every clock. */
type Moment = readonly number[];

/**
 * Provides OAuth 2 tokens by the client credentials grant (RFC 6749, section 4.4).
 *
 * All connections share a token and at most one request. A token that is near its end is still used while the next one
 * is requested, so a short outage of the endpoint causes no delay.
 */
export class OAuthTokens {
  readonly #options: OAuthTokensOptions;
  readonly #clocks: readonly (() => number)[];
  #token: { readonly value: string; readonly at: Moment; readonly lifetimeMs: number } | undefined;
  #failure: { readonly at: Moment; readonly error: TokenUnavailableError } | undefined;
  #underWay: Promise<string> | undefined;

  constructor(options: OAuthTokensOptions) {
    this.#options = options;
    this.#clocks = options.clocks ?? CLOCKS;
  }

  /** Returns a token that is valid for a while. @throws TokenUnavailableError if there is none. */
  async get(): Promise<string> {
    const token = this.#token;
    const remainingMs = token === undefined ? 0 : token.lifetimeMs - this.#age(token.at);
    if (token === undefined || remainingMs <= MIN_REMAINING_MS) return this.#load();
    // The caller does not wait for this request. The next call makes another one if it fails.
    if (remainingMs <= token.lifetimeMs * REFRESH_SHARE) this.#load().catch(() => undefined);
    return token.value;
  }

  #now(): Moment {
    return this.#clocks.map((clock) => clock());
  }

  #age(moment: Moment): number {
    return Math.max(...this.#now().map((now, i) => now - (moment[i] ?? now)));
  }

  #load(): Promise<string> {
    if (this.#failure !== undefined && this.#age(this.#failure.at) < RETRY_MS) {
      return Promise.reject(this.#failure.error);
    }
    this.#underWay ??= this.#request().finally(() => (this.#underWay = undefined));
    return this.#underWay;
  }

  async #request(): Promise<string> {
    const at = this.#now();
    try {
      const { access_token: value, expires_in: seconds = 0 } = await this.#ask();
      this.#token = { value, at, lifetimeMs: seconds * 1_000 };
      this.#failure = undefined;
      return value;
    } catch (cause) {
      const { url, timeoutMs } = this.#options;
      const error =
        cause instanceof TokenUnavailableError
          ? cause
          : new TokenUnavailableError(url, `no answer (${networkReason(cause, timeoutMs)})`, 'unreachable');
      this.#failure = { at: this.#now(), error };
      throw error;
    }
  }

  async #ask(): Promise<z.infer<typeof tokenSchema>> {
    const { url, clientId, clientSecret, scope, timeoutMs } = this.#options;
    const credentials = `${encodeURIComponent(clientId)}:${encodeURIComponent(clientSecret)}`;
    const response = await fetch(url, {
      method: 'POST',
      headers: {
        accept: 'application/json',
        authorization: `Basic ${Buffer.from(credentials).toString('base64')}`,
      },
      body: new URLSearchParams({
        grant_type: 'client_credentials',
        ...(scope === undefined ? {} : { scope }),
      }),
      // A redirect could take the secret to another host.
      redirect: 'manual',
      signal: AbortSignal.timeout(timeoutMs),
    });
    const { status } = response;
    // The parser's own error would quote the answer, and with it the token.
    const answer = parsed(await response.text());
    if (status !== 200) {
      const refusal = refusalSchema.safeParse(answer);
      const reason = refusal.success ? `status ${status}, ${refusal.data.error}` : `status ${status}`;
      throw new TokenUnavailableError(url, reason, faultOfStatus(status));
    }
    const token = tokenSchema.safeParse(answer);
    if (token.success) return token.data;
    const fields = new Set(token.error.issues.map(({ path }) => path.join('.') || 'a JSON object'));
    throw new TokenUnavailableError(url, `invalid answer, expected ${[...fields].join(', ')}`, 'unknown');
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function faultOfStatus(status: number): FaultKind {
  if (status === 408 || status >= 500) return 'unreachable';
  if (status === 429) return 'quota';
  return status === 400 || status === 401 || status === 403 ? 'authentication' : 'unknown';
}

/** A failure of `fetch`: its own name, or the code of the socket's error that it wraps. */
const networkErrorSchema = z.object({
  name: z.string(),
  cause: z.object({ code: z.string() }).optional().catch(undefined),
});

/** Returns why a request got no answer, without any text of the request. */
function networkReason(error: unknown, timeoutMs: number): string {
  const { data } = networkErrorSchema.safeParse(error);
  return data?.name === 'TimeoutError' ? `within ${timeoutMs} ms` : (data?.cause?.code ?? 'unknown');
}
