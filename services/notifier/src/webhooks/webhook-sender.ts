import { request as httpRequest, type RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { LookupFunction } from 'node:net';
import type { CallbackPolicy } from '@bulk/webhooks';
import type { SignedWebhook } from './signed-webhook.ts';

/** The result of one request. */
export type SendResult =
  | { readonly kind: 'delivered' }
  /** May succeed later. */
  | { readonly kind: 'failed'; readonly error: string; readonly retryAfter: string | undefined }
  /** Will never succeed. */
  | { readonly kind: 'refused'; readonly error: string }
  /** Broken off by the caller before there was an answer. */
  | { readonly kind: 'aborted' };

export interface WebhookSenderOptions {
  readonly policy: CallbackPolicy;
  /** Returns only permitted addresses. */
  readonly lookup: LookupFunction;
  /** Maximum time of the whole exchange, in ms. */
  readonly timeoutMs: number;
  /** Maximum number of bytes of an answer's body that are read. */
  readonly maxResponseBytes: number;
  /** Called with an error before the answer, for the operator's log; never throws. */
  readonly onUnanswered?: (error: unknown) => void;
}

interface HttpAnswer {
  readonly status: number;
  readonly retryAfter: string | undefined;
}

/**
 * One text for every error before the answer.
 *
 * A difference between a closed port, an unknown host and a forbidden address would reveal the
 * inside of the network to the customer.
 */
export const NO_ANSWER = 'the receiver gave no answer';
const USER_AGENT = 'bulk-action-platform-webhooks/1';
const GONE = 410;

/**
 * Sends one webhook: one POST on a connection of its own, to a public address, without redirects.
 *
 * The status is the answer. The body is read up to a bound, so that the receiver can end properly,
 * and dropped.
 */
export class WebhookSender {
  readonly #options: WebhookSenderOptions;

  constructor(options: WebhookSenderOptions) {
    this.#options = options;
  }

  /** Sends a webhook. Never rejects. @param signal breaks off the request. */
  async send(callbackUrl: string, webhook: SignedWebhook, signal: AbortSignal): Promise<SendResult> {
    const { policy, timeoutMs } = this.#options;
    const url = new URL(callbackUrl);
    const refusal = policy.refusalOf(url);
    if (refusal !== undefined) return { kind: 'refused', error: `the URL is forbidden: ${refusal}` };
    const cut = new AbortController();
    const abort = (): void => cut.abort();
    const timer = setTimeout(abort, timeoutMs);
    signal.addEventListener('abort', abort, { once: true });
    if (signal.aborted) abort();
    try {
      return resultOf(await this.#exchange(url, webhook, cut.signal));
    } catch (error) {
      if (signal.aborted) return { kind: 'aborted' };
      this.#options.onUnanswered?.(error);
      return failed(NO_ANSWER);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
    }
  }

  /** Resolves once there is a status and the connection has ended, by itself or by `signal`. */
  #exchange(url: URL, { headers, body }: SignedWebhook, signal: AbortSignal): Promise<HttpAnswer> {
    const { lookup, maxResponseBytes } = this.#options;
    const options: RequestOptions = {
      method: 'POST',
      // No pool: a reused connection would escape the check of its address.
      agent: false,
      lookup,
      signal,
      headers: {
        ...headers,
        'content-type': 'application/json; charset=utf-8',
        'content-length': String(Buffer.byteLength(body)),
        'user-agent': USER_AGENT,
      },
    };
    return new Promise((resolve, reject) => {
      let answer: HttpAnswer | undefined;
      let failure = new Error('the connection was closed without an answer');
      const request = (url.protocol === 'https:' ? httpsRequest : httpRequest)(url, options);
      request.on('error', (error) => (failure = error));
      request.on('response', (response) => {
        answer = { status: response.statusCode ?? 0, retryAfter: response.headers['retry-after'] };
        let bytes = 0;
        response.on('error', () => undefined);
        response.on('data', (chunk: Buffer) => {
          bytes += chunk.length;
          if (bytes > maxResponseBytes) request.destroy();
        });
      });
      // This event is always the last. An error after the status changes nothing.
      request.on('close', () => {
        if (answer === undefined) reject(failure);
        else resolve(answer);
      });
      request.end(body);
    });
  }
}

function resultOf({ status, retryAfter }: HttpAnswer): SendResult {
  if (status >= 200 && status < 300) return { kind: 'delivered' };
  if (status === GONE) return { kind: 'refused', error: `HTTP ${GONE}: the receiver wants no more` };
  const redirect = status >= 300 && status < 400 ? ', and redirects are not followed' : '';
  return failed(`HTTP ${status}${redirect}`, retryAfter);
}

function failed(error: string, retryAfter?: string): SendResult {
  return { kind: 'failed', error, retryAfter };
}
