import { describe, expect, it } from '@jest/globals';
import { CodedError } from '@bulk/domain';
import { loadConfig, silentLogger, type Logger } from '@bulk/runtime';
import { inSeconds, signWithSecret } from '@bulk/testing';
import { z } from 'zod';
import { authConfigShape, checkAuthConfig, createAuthenticator, UnauthenticatedError } from '../src/index.ts';
import type { Authenticator, Identity } from '../src/index.ts';

const SECRET = 'a secret of the tests that is long enough';
const OTHER_SECRET = 'another secret of the tests, long enough too';

function authenticator(env: Record<string, string> = {}): Authenticator {
  const schema = z.object(authConfigShape).superRefine(checkAuthConfig);
  const config = loadConfig(schema, { AUTH_MODE: 'jwt', JWT_SECRET: SECRET, ...env });
  return createAuthenticator(config, silentLogger());
}

function bearer(
  token: string,
  env: Record<string, string> = {},
  named: (string | undefined)[] = [],
): Promise<Identity | null> {
  return authenticator(env).authenticate({ authorization: `Bearer ${token}` }, named);
}

async function refusal(work: Promise<unknown>): Promise<CodedError> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error instanceof CodedError) return error;
  throw new Error('expected a refusal', { cause: error });
}

const base64url = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

describe('an authenticator in header mode', () => {
  it('ignores tokens', async () => {
    const open = createAuthenticator(loadConfig(z.object(authConfigShape), {}), silentLogger());
    expect(open.mode).toBe('header');
    expect(await open.authenticate({ authorization: 'Bearer nonsense' }, ['acme'])).toBeNull();
  });
});

describe('an authenticator with a shared secret', () => {
  it('accepts tokens of the present and the previous secret during a rotation, and of no other', async () => {
    const claims = { account_id: 'acme', exp: inSeconds(60) };
    const rotation = { JWT_SECRET: OTHER_SECRET, JWT_SECRET_PREVIOUS: SECRET };
    for (const secret of [SECRET, OTHER_SECRET])
      expect(await bearer(await signWithSecret(secret, claims), rotation)).toMatchObject({
        accountId: 'acme',
      });
    const third = await signWithSecret('a third secret that nobody has configured', claims);
    expect((await refusal(bearer(third, rotation))).message).toContain("the token's signature is wrong");
    const expired = await signWithSecret(SECRET, { account_id: 'acme', exp: inSeconds(-60) });
    expect((await refusal(bearer(expired, rotation))).message).toContain('the token has expired');
    const old = await signWithSecret(SECRET, claims);
    expect((await refusal(bearer(old, { JWT_SECRET: OTHER_SECRET }))).message).toContain(
      'signature is wrong',
    );
  });

  it.each(['HS256', 'HS384', 'HS512'])('returns the account of a token signed with %s', async (alg) => {
    const exp = inSeconds(60);
    const token = await signWithSecret(SECRET, { account_id: 'acme', exp }, alg);
    expect(await bearer(token, { JWT_CLOCK_TOLERANCE_S: '7' })).toEqual({
      accountId: 'acme',
      expiresAt: new Date((exp + 7) * 1_000),
    });
  });

  it('accepts a token in the URL, and a token without an expiry if configured', async () => {
    const token = await signWithSecret(SECRET, { account_id: 'acme', exp: undefined });
    const expected = { accountId: 'acme', expiresAt: null };
    const jwt = authenticator({ JWT_REQUIRE_EXPIRY: 'false' });
    expect(await jwt.authenticate({ accessToken: token }, [])).toEqual(expected);
    expect(await jwt.authenticate({ authorization: `bearer  ${token} `, accessToken: token }, [])).toEqual(
      expected,
    );
    const far = await signWithSecret(SECRET, { account_id: 'acme', exp: 1e300 });
    expect((await bearer(far))?.expiresAt?.getTime()).toBe(8.64e15);
  });

  it('refuses a token without an expiry by default', async () => {
    const token = await signWithSecret(SECRET, { account_id: 'acme', exp: undefined });
    expect((await refusal(bearer(token))).message).toBe('the expiry (exp) of the token is missing');
  });

  it('warns when tokens of any issuer or audience are accepted', () => {
    const warned: unknown[] = [];
    const log = { ...silentLogger(), warn: (fields: unknown) => warned.push(fields) } as unknown as Logger;
    const create = (env: Record<string, string>): unknown =>
      createAuthenticator(
        loadConfig(z.object(authConfigShape), { AUTH_MODE: 'jwt', JWT_SECRET: SECRET, ...env }),
        log,
      );
    create({});
    create({ JWT_ISSUER: 'https://issuer.example/' });
    create({ JWT_ISSUER: 'https://issuer.example/', JWT_AUDIENCE: 'bulk' });
    expect(warned).toEqual([{ unset: ['JWT_ISSUER', 'JWT_AUDIENCE'] }, { unset: ['JWT_AUDIENCE'] }]);
  });

  it('accepts a claim whose name is a URL', async () => {
    const claim = 'https://crm.example/account.id';
    const token = await signWithSecret(SECRET, { [claim]: 'acme' });
    expect(await bearer(token, { JWT_ACCOUNT_CLAIM: claim })).toMatchObject({ accountId: 'acme' });
  });

  it('accepts the expected issuer and audience', async () => {
    const env = { JWT_ISSUER: 'https://issuer.example/', JWT_AUDIENCE: 'bulk' };
    const payload = { account_id: 'acme', iss: 'https://issuer.example/', aud: ['other', 'bulk'] };
    expect(await bearer(await signWithSecret(SECRET, payload), env)).toMatchObject({ accountId: 'acme' });
  });

  it.each([
    ['expired', { account_id: 'acme', exp: 1 }, {}, 'the token has expired'],
    ['not valid yet', { account_id: 'acme', nbf: 4e9 }, {}, 'the token is not valid yet'],
    [
      'of another issuer',
      { account_id: 'acme', iss: 'x' },
      { JWT_ISSUER: 'y' },
      /^the issuer .*not the expected/,
    ],
    ['without issuer', { account_id: 'acme' }, { JWT_ISSUER: 'y' }, /^the issuer .* is missing/],
    [
      'for another audience',
      { account_id: 'acme', aud: 'x' },
      { JWT_AUDIENCE: 'y' },
      /^the audience .*not the exp/,
    ],
    ['without audience', { account_id: 'acme' }, { JWT_AUDIENCE: 'y' }, /^the audience .* is missing/],
    ['without the claim', { sub: 'acme' }, {}, 'the token lacks the claim account_id'],
    ['without an inherited claim', {}, { JWT_ACCOUNT_CLAIM: 'constructor' }, /lacks the claim constructor/],
    ['of no account id', { account_id: 'a:b' }, {}, /claim account_id is not an account id/],
    ['of a number', { account_id: 7 }, {}, /claim account_id is not an account id/],
    ['of a list', { account_id: ['acme'] }, {}, /claim account_id is not an account id/],
  ])('refuses a token %s', async (_what, payload, env, message) => {
    const error = await refusal(bearer(await signWithSecret(SECRET, payload), env));
    expect(error).toBeInstanceOf(UnauthenticatedError);
    expect(error).toMatchObject({ code: 'UNAUTHENTICATED', retryable: false });
    expect(error.message).toMatch(message);
  });

  it('refuses wrong signatures and unexpected algorithms', async () => {
    const good = await signWithSecret(SECRET, { account_id: 'acme' });
    const payload = good.split('.')[1]!;
    const wrong: [string, RegExp][] = [
      [await signWithSecret(OTHER_SECRET, { account_id: 'acme' }), /signature is wrong/],
      [`${base64url({ alg: 'none' })}.${payload}.`, /algorithm is not accepted/],
      [`${base64url({ alg: 'RS256' })}.${payload}.${'A'.repeat(342)}`, /algorithm is not accepted/],
      [good.slice(0, -20), /signature is wrong/],
      ['no-token', /not a JSON Web Token/],
      [`${base64url({})}.${base64url({})}.`, /not a JSON Web Token/],
    ];
    for (const [token, message] of wrong) {
      const error = await refusal(bearer(token));
      expect(error.code).toBe('UNAUTHENTICATED');
      expect(error.message).toMatch(message);
      expect(error.message).not.toContain(token);
    }
  });

  it.each([
    ['no token', {}],
    ['an empty header', { authorization: '' }],
    ['another scheme', { authorization: 'Basic YTpi' }],
    ['two tokens in one header', { authorization: 'Bearer a, Bearer b' }],
    ['two tokens that differ', { authorization: 'Bearer a', accessToken: 'b' }],
  ])('refuses %s', async (_what, credentials) => {
    const error = await refusal(authenticator().authenticate(credentials, []));
    expect(error.code).toBe('UNAUTHENTICATED');
    expect(error instanceof UnauthenticatedError && error.challenge).toMatch(
      /^Bearer error="invalid_token", error_description="expected [^"\\]+"$/,
    );
  });

  it('refuses another account in addition to the token, but accepts the same account or an empty name', async () => {
    const token = await signWithSecret(SECRET, { account_id: 'acme' });
    expect(await bearer(token, {}, ['acme', undefined, '', 'acme'])).toMatchObject({ accountId: 'acme' });
    for (const named of [['other'], ['acme', 'other'], ['acme '], ['ACME']]) {
      expect((await refusal(bearer(token, {}, named))).code).toBe('ACCOUNT_FORBIDDEN');
    }
  });

  it('quotes in its challenge only characters that a header may contain', () => {
    expect(new UnauthenticatedError('lacks "x\\y"\r\né').challenge).toBe(
      'Bearer error="invalid_token", error_description="lacks \'x?y\'???"',
    );
  });
});
