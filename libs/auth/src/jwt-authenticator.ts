import { accountIdSchema } from '@bulk/domain';
import { errors, jwtVerify, type JWTPayload, type JWTVerifyGetKey, type JWTVerifyOptions } from 'jose';
import type { AuthConfig } from './config.ts';
import type { Authenticator, Credentials, Identity } from './credentials.ts';
import { AccountForbiddenError, UnauthenticatedError } from './errors.ts';
import type { RemoteKeys } from './remote-keys.ts';

/**
 * The algorithms, pinned by the kind of key: a public key is never taken for a shared secret, and `none` never for a
 * signature.
 */
const SECRET_ALGORITHMS = ['HS256', 'HS384', 'HS512'];
const PUBLIC_KEY_ALGORITHMS = [
  ...['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
  ...['ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'],
];

/** The last instant that a Date can represent. */
const END_OF_TIME_MS = 8.64e15;
const BEARER = /^Bearer +([A-Za-z0-9._~+/-]+=*) *$/i;
const HOW_TO_SEND = 'expected a token in the header Authorization: Bearer <token>';

/** Reads the account from a claim of a signed token. */
export class JwtAuthenticator implements Authenticator {
  readonly mode = 'jwt';
  /** A token is accepted if one of the keys verifies it. */
  readonly #keys: readonly JWTVerifyGetKey[];
  readonly #options: JWTVerifyOptions;
  readonly #claim: string;
  readonly #toleranceMs: number;

  private constructor(keys: readonly JWTVerifyGetKey[], algorithms: string[], config: AuthConfig) {
    this.#keys = keys;
    this.#claim = config.JWT_ACCOUNT_CLAIM;
    this.#toleranceMs = config.JWT_CLOCK_TOLERANCE_S * 1_000;
    this.#options = {
      algorithms,
      clockTolerance: config.JWT_CLOCK_TOLERANCE_S,
      requiredClaims: config.JWT_REQUIRE_EXPIRY ? ['exp'] : [],
      ...(config.JWT_ISSUER === undefined ? {} : { issuer: config.JWT_ISSUER }),
      ...(config.JWT_AUDIENCE === undefined ? {} : { audience: config.JWT_AUDIENCE }),
    };
  }

  /** @param secrets the present one, and those that are still accepted. */
  static withSecrets(secrets: readonly string[], config: AuthConfig): JwtAuthenticator {
    const keys = secrets.map((secret) => {
      const bytes = new TextEncoder().encode(secret);
      return () => bytes;
    });
    return new JwtAuthenticator(keys, SECRET_ALGORITHMS, config);
  }

  static withPublicKeys(keys: RemoteKeys, config: AuthConfig): JwtAuthenticator {
    return new JwtAuthenticator([keys.find], PUBLIC_KEY_ALGORITHMS, config);
  }

  async authenticate(
    credentials: Credentials,
    named: readonly (string | undefined)[],
  ): Promise<Identity | null> {
    const payload = await this.#verify(tokenOf(credentials));
    const accountId = this.#accountIn(payload);
    const others = named.filter((name) => name !== undefined && name !== '' && name !== accountId);
    if (others.length > 0) throw new AccountForbiddenError();
    return { accountId, expiresAt: this.#expiryOf(payload) };
  }

  async #verify(token: string): Promise<JWTPayload> {
    let failure: unknown;
    for (const key of this.#keys) {
      try {
        return (await jwtVerify(token, key, this.#options)).payload;
      } catch (error) {
        failure = error;
        // Another key helps only where the signature is of another key.
        if (!(error instanceof errors.JWSSignatureVerificationFailed)) break;
      }
    }
    if (failure instanceof errors.JOSEError) throw new UnauthenticatedError(reasonOf(failure), failure);
    throw failure;
  }

  #accountIn(payload: JWTPayload): string {
    const value = Object.hasOwn(payload, this.#claim) ? payload[this.#claim] : undefined;
    if (value === undefined) throw new UnauthenticatedError(`the token lacks the claim ${this.#claim}`);
    const parsed = accountIdSchema.safeParse(value);
    if (parsed.success) return parsed.data;
    throw new UnauthenticatedError(`the token's claim ${this.#claim} is not an account id`);
  }

  #expiryOf({ exp }: JWTPayload): Date | null {
    if (exp === undefined) return null;
    return new Date(Math.min(exp * 1_000 + this.#toleranceMs, END_OF_TIME_MS));
  }
}

/** Returns the only token of a request. Two different tokens are ambiguous, and RFC 6750 forbids them. */
function tokenOf({ authorization, accessToken }: Credentials): string {
  const header = authorization === '' ? undefined : authorization;
  if (header === undefined) {
    if (accessToken === undefined || accessToken === '') throw new UnauthenticatedError(HOW_TO_SEND);
    return accessToken;
  }
  const token = BEARER.exec(header)?.[1];
  if (token === undefined) throw new UnauthenticatedError(HOW_TO_SEND);
  if (accessToken !== undefined && accessToken !== token) {
    throw new UnauthenticatedError('expected one token, and two different ones are given');
  }
  return token;
}

/** Returns why a token was refused, in our own words: the library's messages may quote the token. */
function reasonOf(error: errors.JOSEError): string {
  if (error instanceof errors.JWTExpired) return 'the token has expired';
  if (error instanceof errors.JWTClaimValidationFailed) return claimReason(error);
  if (error instanceof errors.JWSSignatureVerificationFailed) return "the token's signature is wrong";
  if (error instanceof errors.JOSEAlgNotAllowed) return "the token's algorithm is not accepted";
  if (error instanceof errors.JWKSNoMatchingKey) return "the token's key is not one of the issuer's";
  if (error instanceof errors.JWKSMultipleMatchingKeys) return 'the token does not say which key it is of';
  return 'the token is not a JSON Web Token that can be verified';
}

const CLAIMS: Readonly<Record<string, string>> = {
  iss: 'the issuer (iss)',
  aud: 'the audience (aud)',
  nbf: 'the start (nbf)',
  iat: 'the time of issue (iat)',
  exp: 'the expiry (exp)',
};

function claimReason({ claim, reason }: errors.JWTClaimValidationFailed): string {
  const what = CLAIMS[claim] ?? 'a claim';
  if (reason === 'missing') return `${what} of the token is missing`;
  if (claim === 'nbf' && reason === 'check_failed') return 'the token is not valid yet';
  return `${what} of the token is not the expected one`;
}
