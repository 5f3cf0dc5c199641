import type { Logger } from '@bulk/runtime';
import type { AuthConfig } from './config.ts';
import { JwtAuthenticator } from './jwt-authenticator.ts';
import { RemoteKeys } from './remote-keys.ts';

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

/**
 * Creates the authenticator for a configuration that `checkAuthConfig` has accepted. It does not connect to anything
 * yet. It warns if neither the issuer nor the audience of tokens is checked.
 */
export function createAuthenticator(config: AuthConfig, log: Logger): Authenticator {
  if (config.AUTH_MODE === 'header') return { mode: 'header', authenticate: () => Promise.resolve(null) };
  const unchecked = (['JWT_ISSUER', 'JWT_AUDIENCE'] as const).filter((name) => config[name] === undefined);
  if (unchecked.length > 0) {
    log.warn({ unset: unchecked }, 'Tokens of any issuer or audience accepted; set these variables');
  }
  const { JWT_SECRET: secret, JWT_JWKS_URL: url } = config;
  if (secret !== undefined) return JwtAuthenticator.withSecret(secret, config);
  if (url === undefined) throw new TypeError('expected JWT_SECRET or JWT_JWKS_URL');
  const keys = new RemoteKeys({
    url,
    timeoutMs: config.JWT_JWKS_TIMEOUT_MS,
    refreshMs: config.JWT_JWKS_REFRESH_MS,
    cooldownMs: config.JWT_JWKS_COOLDOWN_MS,
    retryMs: config.JWT_JWKS_RETRY_MS,
    monotonic: () => performance.now(),
    log,
  });
  return JwtAuthenticator.withPublicKeys(keys, config);
}
