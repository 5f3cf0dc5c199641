import { flag, integer } from '@bulk/runtime';
import { z } from 'zod';

const MINUTE_MS = 60_000;
const MIN_SECRET_CHARACTERS = 32;

const optionalText = (description: string) => z.string().optional().meta({ description });

/** Variables of every service that its users reach; to be checked together by `checkAuthConfig`. */
export const authConfigShape = {
  AUTH_MODE: z.enum(['header', 'jwt'], 'expected header or jwt').default('header').meta({
    description:
      'How a caller proves its account. header: x-account-id is believed, for use behind a gateway that sets it, and locally; jwt: a bearer token.',
  }),
  JWT_SECRET: z
    .string()
    .min(MIN_SECRET_CHARACTERS, `expected at least ${MIN_SECRET_CHARACTERS} characters`)
    .optional()
    .meta({ description: 'Shared secret of the tokens (HS256, HS384, HS512); this or JWT_JWKS_URL.' }),
  JWT_JWKS_URL: z
    .url({ protocol: /^https?$/, error: 'expected an http:// or https:// URL' })
    .optional()
    .meta({ description: "Where the issuer's public keys are (RS, PS, ES, EdDSA); this or JWT_SECRET." }),
  JWT_ISSUER: optionalText('The "iss" that tokens must have; absent: any.'),
  JWT_AUDIENCE: optionalText('The "aud" that tokens must have; absent: any.'),
  JWT_ACCOUNT_CLAIM: z
    .string()
    .default('account_id')
    .meta({ description: 'The claim that holds the account id; its whole name, which may be a URL.' }),
  JWT_REQUIRE_EXPIRY: flag(
    true,
    'Whether tokens without an expiry (exp) are refused. Without it, a token that leaks is valid for ever.',
  ),
  JWT_CLOCK_TOLERANCE_S: integer(
    { min: 0, max: 600 },
    5,
    "How far the issuer's clock and ours may differ, in s.",
  ),
  JWT_JWKS_TIMEOUT_MS: integer(
    { min: 50, max: MINUTE_MS },
    5_000,
    'Longest wait for the public keys, in ms.',
  ),
  JWT_JWKS_REFRESH_MS: integer(
    { min: 100, max: 1_440 * MINUTE_MS },
    10 * MINUTE_MS,
    'Public keys older than this are fetched anew, in ms; until that succeeds they go on being used.',
  ),
  JWT_JWKS_COOLDOWN_MS: integer(
    { min: 0, max: 60 * MINUTE_MS },
    30_000,
    'Time after a fetch of the public keys in which tokens of an unknown key cause no other, in ms.',
  ),
  JWT_JWKS_RETRY_MS: integer(
    { min: 0, max: 60 * MINUTE_MS },
    1_000,
    'Time after a fetch of the public keys that failed in which there is no other, in ms.',
  ),
};

export type AuthConfig = z.infer<z.ZodObject<typeof authConfigShape>>;

/**
 * What the variables must be together; for `superRefine` of a service's schema. A key without `AUTH_MODE=jwt` is a fault as
 * well: whoever sets one believes that tokens are checked.
 */
export function checkAuthConfig(config: AuthConfig, context: z.RefinementCtx): void {
  const keys = (['JWT_SECRET', 'JWT_JWKS_URL'] as const).filter((name) => config[name] !== undefined);
  const fault = (name: string, message: string): void =>
    context.addIssue({ code: 'custom', path: [name], message });
  if (config.AUTH_MODE === 'header') {
    for (const name of keys) fault(name, 'expected AUTH_MODE=jwt as well; with header no token is checked');
  } else if (keys.length !== 1) {
    fault(
      'AUTH_MODE',
      `jwt needs exactly one of JWT_SECRET and JWT_JWKS_URL, found ${keys.length === 0 ? 'neither' : 'both'}`,
    );
  }
}
