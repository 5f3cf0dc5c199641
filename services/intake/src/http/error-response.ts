import { AccountForbiddenError, UnauthenticatedError } from '@bulk/auth';
import { RestError, restErrorOf, type FailureEnvelope } from '@bulk/contracts';
import { CodedError, InvalidInputError } from '@bulk/domain';
import { isStoreOutage, RecordReadTimeoutError } from '@bulk/mongo';

/** The answer to a request that failed. */
export interface ErrorResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: FailureEnvelope;
}

/** Maximum number of listed faults. A body with a million faulty rows gets a short answer. */
const MAX_ISSUES = 20;

/**
 * Builds the answer for an error, with what a client may see. Anything unforeseen is `INTERNAL`,
 * without details.
 */
export function toErrorResponse(error: unknown): ErrorResponse {
  if (error instanceof InvalidInputError) {
    const { code } = error;
    // This code belongs to WebSocket frames. No REST request is answered with it.
    if (code === 'INVALID_FRAME') return of(internal());
    return of(new RestError(code, clipped(error), { issues: error.issues }));
  }
  if (error instanceof RestError) return of(error);
  if (error instanceof UnauthenticatedError) {
    return of(
      new RestError('UNAUTHENTICATED', error.message, { headers: { 'www-authenticate': error.challenge } }),
    );
  }
  if (error instanceof RecordReadTimeoutError) return of(new RestError('FILTER_TIMEOUT', error.message));
  if (error instanceof AccountForbiddenError) return of(new RestError('ACCOUNT_FORBIDDEN', error.message));
  if ((error instanceof CodedError && error.retryable) || isStoreOutage(error)) {
    return of(new RestError('DEPENDENCY_UNAVAILABLE', restErrorOf('DEPENDENCY_UNAVAILABLE').message));
  }
  return of(internal());
}

function internal(): RestError {
  return new RestError('INTERNAL', restErrorOf('INTERNAL').message);
}

function clipped({ message, issues }: InvalidInputError): string {
  const more = issues.length - MAX_ISSUES;
  return more > 0 ? `${message}; ${more} more faults are not listed` : message;
}

function of({ status, headers, code, message, issues, details }: RestError): ErrorResponse {
  const shown = issues.length === 0 ? details : issues.slice(0, MAX_ISSUES);
  const error = shown === undefined ? { code, message } : { code, message, details: shown };
  return { status, headers, body: { success: false, error } };
}
