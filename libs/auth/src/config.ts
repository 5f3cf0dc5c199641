import {
  checkRotatedSecret,
  faultOf,
  flag,
  integer,
  optionalText,
  rotatedSecretFile,
  rotatedSecrets,
  secretFile,
  secretOf,
  secretOfLength,
  secretText,
} from '@bulk/runtime';
import { z } from 'zod';

const MINUTE_MS = 60_000;
const SECRET = secretOfLength(32);

/** Settings of every service that users reach. `checkAuthConfig` checks them together. */
export const authConfigShape = {
  AUTH_MODE: z.enum(['header', 'jwt'], 'expected header or jwt').default('header').meta({
    description:
      'How a caller proves its account. header: the platform trusts the header x-account-id; use it only behind a gateway that sets the header, or locally. jwt: the caller sends a bearer token.',
  }),
  JWT_SECRET: secretText(
    SECRET,
    'Shared secret of the tokens (HS256, HS384, HS512), if no public keys verify them.',
  ),
  JWT_SECRET_FILE: secretFile(
    SECRET,
    'File with the shared secret of the tokens, in place of the secret itself.',
  ),
  JWT_SECRET_PREVIOUS: secretText(
    SECRET,
    'Former shared secret, whose tokens are still accepted during a rotation.',
  ),
  JWT_SECRET_PREVIOUS_FILE: rotatedSecretFile(
    SECRET,
    'File with the former shared secret, in place of the secret itself. An empty or missing file means that there is none.',
  ),
  JWT_JWKS_URL: z
    .url({ protocol: /^https?$/, error: 'expected an http:// or https:// URL' })
    .optional()
    .meta({
      description:
        "URL of the issuer's public keys (RS, PS, ES, EdDSA), if no shared secret verifies the tokens.",
    }),
  JWT_ISSUER: optionalText('The issuer ("iss") that tokens must have. Default: any issuer.'),
  JWT_AUDIENCE: optionalText('The audience ("aud") that tokens must have. Default: any audience.'),
  JWT_ACCOUNT_CLAIM: z
    .string()
    .default('account_id')
    .meta({ description: 'Full name of the claim that contains the account id. It may be a URL.' }),
  JWT_REQUIRE_EXPIRY: flag(
    true,
    'Whether tokens without an expiry (exp) are refused. If they are accepted, a leaked token without one is valid for ever.',
  ),
  JWT_CLOCK_TOLERANCE_S: integer(
    { min: 0, max: 600 },
    5,
    "Maximum difference between the issuer's clock and the platform's, in s. A higher value accepts expired tokens for longer.",
  ),
  JWT_JWKS_TIMEOUT_MS: integer(
    { min: 50, max: MINUTE_MS },
    5_000,
    'Maximum wait for the answer with the public keys, in ms. A higher value tolerates a slower issuer.',
  ),
  JWT_JWKS_REFRESH_MS: integer(
    { min: 100, max: 1_440 * MINUTE_MS },
    10 * MINUTE_MS,
    'Age in ms after which the public keys are fetched again. The platform continues to use them until that succeeds. A higher value notices a withdrawn key later.',
  ),
  JWT_JWKS_COOLDOWN_MS: integer(
    { min: 0, max: 60 * MINUTE_MS },
    30_000,
    'Time after a fetch of the public keys in which a token with an unknown key causes no further fetch, in ms. A higher value accepts a new key later.',
  ),
  JWT_JWKS_RETRY_MS: integer(
    { min: 0, max: 60 * MINUTE_MS },
    1_000,
    'Time after a failed fetch of the public keys before the next one, in ms. A higher value puts less load on the issuer.',
  ),
};

export type AuthConfig = z.infer<z.ZodObject<typeof authConfigShape>>;

/**
 * Checks the settings together; for `superRefine` of a service's schema. A key without `AUTH_MODE=jwt` is also a fault:
 * an operator who sets one believes that tokens are checked.
 */
export function checkAuthConfig(config: AuthConfig, context: z.RefinementCtx): void {
  const keys = (['JWT_SECRET', 'JWT_SECRET_FILE', 'JWT_JWKS_URL'] as const).filter(
    (name) => config[name] !== undefined,
  );
  const fault = faultOf(context);
  checkRotatedSecret(config, 'JWT_SECRET', fault);
  if (config.AUTH_MODE === 'header') {
    for (const name of keys) fault(name, 'expected AUTH_MODE=jwt as well; with header no token is checked');
    return;
  }
  const hasSecret = secretOf(config, 'JWT_SECRET') !== undefined;
  if (hasSecret === (config.JWT_JWKS_URL !== undefined)) {
    fault(
      'AUTH_MODE',
      `jwt needs exactly one of JWT_SECRET and JWT_JWKS_URL, found ${hasSecret ? 'both' : 'neither'}`,
    );
  }
}

/** Returns the secrets with which a token may be signed: the present one and, during a rotation, the previous one. */
export function jwtSecretsOf(config: AuthConfig): readonly string[] {
  return rotatedSecrets(secretOf(config, 'JWT_SECRET'), secretOf(config, 'JWT_SECRET_PREVIOUS'));
}
