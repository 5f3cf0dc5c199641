import type { Logger } from '@bulk/runtime';
import { jwtSecretsOf, type AuthConfig } from './config.ts';
import type { Authenticator } from './credentials.ts';
import { JwtAuthenticator } from './jwt-authenticator.ts';
import { RemoteKeys } from './remote-keys.ts';

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
  const secrets = jwtSecretsOf(config);
  if (secrets.length > 0) return JwtAuthenticator.withSecrets(secrets, config);
  const { JWT_JWKS_URL: url } = config;
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
