import { CodedError } from '@bulk/domain';

/** Thrown if a request has no valid token. The message says why and never quotes the token. */
export class UnauthenticatedError extends CodedError {
  constructor(reason: string, cause?: unknown) {
    super('UNAUTHENTICATED', reason, { cause });
  }

  /** The value of `WWW-Authenticate` (RFC 6750). */
  get challenge(): string {
    return `Bearer error="invalid_token", error_description="${quotable(this.message)}"`;
  }
}

/** Thrown when a request names another account than that of its token. */
export class AccountForbiddenError extends CodedError {
  constructor() {
    super('ACCOUNT_FORBIDDEN', "the request names an account that is not the token's; name it or none");
  }
}

/** Thrown if a token cannot be verified because the issuer's public keys are unavailable. */
export class KeysUnavailableError extends CodedError {
  constructor(cause: unknown) {
    super('AUTH_KEYS_UNAVAILABLE', "the token issuer's public keys cannot be fetched now, try again", {
      retryable: true,
      cause,
    });
  }
}

/** Replaces the characters that RFC 6750 does not allow in an `error_description`. */
function quotable(text: string): string {
  return text.replaceAll('"', "'").replaceAll(/[^\x20-\x5b\x5d-\x7e]/g, '?');
}
