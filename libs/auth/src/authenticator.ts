import type { Logger } from '@bulk/runtime';
import type { AuthConfig } from './config.ts';
import { JwtAuthenticator } from './jwt-authenticator.ts';
import { RemoteKeys } from './remote-keys.ts';

/** What a request brings to prove its account. */
export interface Credentials {
  /** The header `Authorization`. */
  readonly authorization?: string | undefined;
  /** A token in the URL, for browsers' WebSockets, which cannot set a header; URLs get logged, so only there. */
  readonly accessToken?: string | undefined;
}

/** Whom a token belongs to. */
export interface Identity {
  readonly accountId: string;
  /** When the token ceases to be accepted, tolerance included; null: never. */
  readonly expiresAt: Date | null;
}

/** Says which account a request is from (G9). */
export interface Authenticator {
  /** `header`: no token is looked at, whatever account a request names is believed. */
  readonly mode: AuthConfig['AUTH_MODE'];

  /**
   * The owner of a request's token; null in mode `header`, where the account that is named counts.
   *
   * @param named accounts that the request names beside its token; empty ones count as absent.
   * @throws UnauthenticatedError when the token is missing or not good; AccountForbiddenError when another account is named;
   *   KeysUnavailableError (retryable) when it cannot be judged now.
   */
  authenticate(credentials: Credentials, named: readonly (string | undefined)[]): Promise<Identity | null>;
}

/**
 * Creates the authenticator of a configuration that `checkAuthConfig` has accepted. Connects to nothing yet. Warns when
 * neither issuer nor audience of tokens is checked.
 */
export function createAuthenticator(config: AuthConfig, log: Logger): Authenticator {
  if (config.AUTH_MODE === 'header') return { mode: 'header', authenticate: () => Promise.resolve(null) };
  const unchecked = (['JWT_ISSUER', 'JWT_AUDIENCE'] as const).filter((name) => config[name] === undefined);
  if (unchecked.length > 0) {
    log.warn({ unset: unchecked }, 'Tokens are accepted whatever they were issued for: set these variables');
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
