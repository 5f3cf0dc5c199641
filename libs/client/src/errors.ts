import type { ActionUpdate, ErrorBody } from '@bulk/contracts';
import { CodedError, messageOf } from '@bulk/domain';
import { z } from 'zod';

const detailsSchema = z.record(z.string(), z.unknown());

function detailsOf(body: ErrorBody): Readonly<Record<string, unknown>> {
  const result = detailsSchema.safeParse(body.details);
  return result.success ? result.data : {};
}

/** Statuses after which the same request may succeed later. */
const RETRYABLE_STATUSES = new Set([408, 429, 502, 503, 504]);

/** The headers of a refusal; null if absent. */
export interface RefusalHeaders {
  readonly requestId: string | null;
  readonly retryAfter: string | null;
}

/** Thrown if the API refuses a request; `code`, `message` and `details` are the API's own. */
export class BulkApiError extends CodedError {
  /** HTTP status. */
  readonly status: number;
  /** The answer's `x-request-id`, for the operators; null if it had none. */
  readonly requestId: string | null;
  /** Wait that the API requests before the next try (`Retry-After`), in ms; null if it requests none. */
  readonly retryAfterMs: number | null;

  constructor(status: number, body: ErrorBody, { requestId, retryAfter }: RefusalHeaders) {
    const retryAfterMs = retryAfter === null ? null : millisecondsOf(retryAfter);
    super(body.code, body.message, {
      details: detailsOf(body),
      // A temporary conflict, such as with a request of the same key in progress, has a `Retry-After`.
      retryable: RETRYABLE_STATUSES.has(status) || (status === 409 && retryAfterMs !== null),
    });
    this.status = status;
    this.requestId = requestId;
    this.retryAfterMs = retryAfterMs;
  }
}

/** @returns null if the text is neither seconds nor a date. */
function millisecondsOf(retryAfter: string): number | null {
  if (/^\d+$/.test(retryAfter)) return Number(retryAfter) * 1_000;
  const at = Date.parse(retryAfter);
  return Number.isNaN(at) ? null : Math.max(0, at - Date.now());
}

/** Thrown if the API could not be reached or did not answer in time. It is unknown whether the API acted. */
export class NetworkError extends CodedError {
  constructor(url: string, cause: unknown) {
    super('NETWORK_ERROR', `no answer from ${url}: ${messageOf(cause)}`, { retryable: true, cause });
  }
}

/** Thrown if this version of the client does not understand an answer. */
export class InvalidAnswerError extends CodedError {
  constructor(what: string, cause?: unknown) {
    const reason = cause instanceof Error ? `: ${cause.message}` : '';
    super('INVALID_ANSWER', `${what}${reason}`, { cause });
  }
}

/** Thrown if the notifier refuses a subscription; `code` is the notifier's, e.g. ACTION_NOT_FOUND. */
export class SubscriptionRefusedError extends CodedError {
  constructor(body: ErrorBody) {
    const details = detailsOf(body);
    super(body.code, body.message, { details, retryable: details['retryable'] === true });
  }
}

const retryAfterSchema = z.looseObject({ retryAfterMs: z.number().nonnegative() });

/** Returns the wait that a refusal requests before the next try, in ms; 0 if it requests none. */
export function retryAfterOf({ details }: CodedError): number {
  return retryAfterSchema.safeParse(details).data?.retryAfterMs ?? 0;
}

/** Thrown if the WebSocket could not be opened again within the configured number of tries. */
export class ConnectionLostError extends CodedError {
  constructor(url: string, attempts: number, reason: string) {
    super('CONNECTION_LOST', `no WebSocket to ${url} after ${attempts} tries: ${reason}`, {
      retryable: true,
    });
  }
}

/** Thrown to every caller that still waits when the client is closed, or that uses it afterwards. */
export class ClientClosedError extends CodedError {
  constructor() {
    super('CLIENT_CLOSED', 'the client is closed');
  }
}

/** Thrown by `waitForCompletion` if the action ended without completing: `ACTION_FAILED` or `ACTION_CANCELLED`. */
export class ActionEndedError extends CodedError {
  /** The final state. */
  readonly update: ActionUpdate;

  constructor(update: ActionUpdate) {
    super(
      update.status === 'cancelled' ? 'ACTION_CANCELLED' : 'ACTION_FAILED',
      `action ${update.actionId} is ${update.status} with ${update.processed} of ${update.total} processed`,
      { details: { actionId: update.actionId, status: update.status } },
    );
    this.update = update;
  }
}

/** Thrown by `waitForCompletion` when its time is over. The action continues. */
export class CompletionTimeoutError extends CodedError {
  constructor(actionId: string, timeoutMs: number) {
    super('COMPLETION_TIMEOUT', `action ${actionId} did not end within ${timeoutMs} ms`, { retryable: true });
  }
}

/** Thrown if the given signal aborts the call. The cause is the signal's reason. */
export class AbortedError extends CodedError {
  constructor(reason: unknown) {
    super('ABORTED', 'it was aborted', { cause: reason });
  }
}

/** Thrown if an argument is invalid, before anything is sent. */
export class InvalidArgumentError extends CodedError {
  constructor(argument: string, expected: string) {
    super('INVALID_ARGUMENT', `${argument}: ${expected}`, { details: { argument } });
  }
}

/** Returns a thrown value as an Error; others may throw anything. */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}

/** Throws an error without a listener as uncaught, like an `error` event without a listener. */
export function throwUncaught(error: unknown): void {
  // The caller that closed the client needs no report.
  if (error instanceof ClientClosedError) return;
  queueMicrotask(() => {
    throw asError(error);
  });
}
