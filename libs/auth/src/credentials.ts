import type { AuthConfig } from './config.ts';

/** The credentials of a request. */
export interface Credentials {
  /** The header `Authorization`. */
  readonly authorization?: string | undefined;
  /** A token in the URL. It is only for browsers' WebSockets, which cannot set a header, because URLs are logged. */
  readonly accessToken?: string | undefined;
}

/** The owner of a token. */
export interface Identity {
  readonly accountId: string;
  /** When the token expires, tolerance included; null: never. */
  readonly expiresAt: Date | null;
}

/** Determines the account of a request (G9). */
export interface Authenticator {
  /** In mode `header` no token is checked, and any account that a request names is trusted. */
  readonly mode: AuthConfig['AUTH_MODE'];

  /**
   * Returns the owner of a request's token, or null in mode `header`, where the named account counts.
   *
   * @param named accounts that the request names in addition to its token; empty ones count as absent.
   * @throws UnauthenticatedError if the token is missing or invalid.
   * @throws AccountForbiddenError if the request names another account.
   * @throws KeysUnavailableError (retryable) if the token cannot be verified now.
   */
  authenticate(credentials: Credentials, named: readonly (string | undefined)[]): Promise<Identity | null>;
}
