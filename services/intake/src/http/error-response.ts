import { AccountForbiddenError, UnauthenticatedError } from '@bulk/auth';
import type { FailureEnvelope } from '@bulk/contracts';
import { CodedError, InvalidInputError, type FieldIssue } from '@bulk/domain';
import { isStoreOutage } from '@bulk/mongo';
import { RefusedError, type RefusalKind } from '../actions/refusals.ts';
import { QuotaExceededError } from '../quotas/quota.ts';
import { quotaHeaders } from './quota-headers.ts';
import { HttpRefusal } from './refusals.ts';

/** An answer to a request that failed. */
export interface ErrorResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: FailureEnvelope;
}

/** Faults that are listed at most; a body with a million faulty rows gets a short answer. */
const MAX_ISSUES = 20;
const RETRY_AFTER_SECONDS = '5';
const BUSY_RETRY_AFTER_SECONDS = '1';
const STATUS_OF: Readonly<Record<RefusalKind, number>> = {
  'not-found': 404,
  conflict: 409,
  busy: 409,
  unprocessable: 422,
};

/** What a client is told about an error. Anything unforeseen is `INTERNAL`, without its insides. */
export function toErrorResponse(error: unknown): ErrorResponse {
  if (error instanceof InvalidInputError) {
    return response(400, error.code, clipped(error), issuesOf(error));
  }
  if (error instanceof RefusedError) {
    return response(
      STATUS_OF[error.kind],
      error.code,
      error.message,
      issuesOf(error) ?? error.details,
      error.kind === 'busy' ? { 'retry-after': BUSY_RETRY_AFTER_SECONDS } : {},
    );
  }
  if (error instanceof HttpRefusal) {
    return response(error.status, error.code, error.message, error.details, error.headers);
  }
  if (error instanceof QuotaExceededError) {
    const { states, retryAfterSeconds } = error;
    return response(429, error.code, error.message, error.details, {
      ...quotaHeaders(states, new Date()),
      ...(retryAfterSeconds === undefined ? {} : { 'retry-after': String(retryAfterSeconds) }),
    });
  }
  if (error instanceof UnauthenticatedError) {
    return response(401, error.code, error.message, undefined, { 'www-authenticate': error.challenge });
  }
  if (error instanceof AccountForbiddenError) return response(403, error.code, error.message);
  if ((error instanceof CodedError && error.retryable) || isStoreOutage(error)) {
    return response(
      503,
      'DEPENDENCY_UNAVAILABLE',
      'a part that is needed for this does not answer now; nothing was changed, try again',
      undefined,
      { 'retry-after': RETRY_AFTER_SECONDS },
    );
  }
  return response(500, 'INTERNAL', 'an unforeseen fault; quote the x-request-id of this answer');
}

function issuesOf({ issues }: InvalidInputError | RefusedError): readonly FieldIssue[] | undefined {
  return issues.length === 0 ? undefined : issues.slice(0, MAX_ISSUES);
}

function clipped({ message, issues }: InvalidInputError): string {
  const more = issues.length - MAX_ISSUES;
  return more > 0 ? `${message}; ${more} more faults are not listed` : message;
}

function response(
  status: number,
  code: string,
  message: string,
  details?: unknown,
  headers: Readonly<Record<string, string>> = {},
): ErrorResponse {
  const error = details === undefined ? { code, message } : { code, message, details };
  return { status, headers, body: { success: false, error } };
}
