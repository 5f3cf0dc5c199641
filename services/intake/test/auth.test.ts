import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { inSeconds, signWithSecret, TokenIssuer } from '@bulk/testing';
import { entitiesOf, IntakeHarness, type Answer } from './harness.ts';

const SECRET = 'a secret of the tests that is long enough';
const READS = ['', '/stats', '/logs', '/logs/summary'];

let harness: IntakeHarness;
let actionId: string;
beforeAll(async () => {
  harness = await IntakeHarness.create();
  actionId = randomUUID();
  await harness.accepted(actionId, 3, new Date('2999-01-01T00:00:00Z'));
});
afterAll(() => harness.installation.dispose());

const good = { actionType: 'update', entities: entitiesOf(2) };
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
const tokenOf = async (account: string) => bearer(await signWithSecret(SECRET, { account_id: account }));
const refusalOf = ({ status, body }: Answer) => [status, body.error?.code];
/** Sends a POST that names no account in addition to its token. */
const post = (body: unknown, headers: Record<string, string>) =>
  harness.post(body, { 'x-account-id': '', ...headers });

describe('authentication with a shared secret', () => {
  beforeAll(() => harness.start({ AUTH_MODE: 'jwt', JWT_SECRET: SECRET, JWT_AUDIENCE: '' }));

  it.each(READS)('lets only tokens of its account read an action%s', async (path) => {
    const url = `/bulk-actions/${actionId}${path}`;
    const acme = await tokenOf('acme');
    expect((await harness.get(url, acme)).status).toBe(200);
    expect((await harness.get(url, { ...acme, 'x-account-id': 'acme' })).status).toBe(200);
    expect((await harness.get(`${url}?accountId=acme`, acme)).status).toBe(200);

    const other = await tokenOf('other');
    expect(refusalOf(await harness.get(url, other))).toEqual([404, 'ACTION_NOT_FOUND']);
    for (const answer of [
      await harness.get(url, { ...other, 'x-account-id': 'acme' }),
      await harness.get(`${url}?accountId=acme`, other),
      await harness.get(`${url}?accountId=other&accountId=acme`, other),
    ]) {
      expect(refusalOf(answer)).toEqual([403, 'ACCOUNT_FORBIDDEN']);
    }
    // Without a token, a client must not learn whether the action exists.
    for (const asked of [url, `/bulk-actions/${randomUUID()}${path}`, `/bulk-actions/7${path}`]) {
      const answer = await harness.get(asked, { 'x-account-id': 'acme' });
      expect(refusalOf(answer)).toEqual([401, 'UNAUTHENTICATED']);
      expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer error="invalid_token", error_desc/);
    }
  });

  it('creates an action for the account of the token and for no other', async () => {
    const acme = await tokenOf('acme');
    for (const body of [good, { ...good, accountId: 'acme' }]) {
      const answer = await post(body, acme);
      expect([answer.status, answer.body.data?.['accountId']]).toEqual([202, 'acme']);
    }
    const before = await harness.traces();
    for (const answer of [
      await post({ ...good, accountId: 'other' }, acme),
      await post(good, { ...acme, 'x-account-id': 'other' }),
    ]) {
      expect(refusalOf(answer)).toEqual([403, 'ACCOUNT_FORBIDDEN']);
    }
    expect(refusalOf(await post({ ...good, accountId: 'acme' }, {}))).toEqual([401, 'UNAUTHENTICATED']);
    expect(await harness.traces()).toEqual(before);
  });

  it('says what is wrong with a token without repeating it', async () => {
    const cases: [string, RegExp][] = [
      [await signWithSecret(SECRET, { account_id: 'acme', exp: inSeconds(-60) }), /expired/],
      [await signWithSecret(`${SECRET}!`, { account_id: 'acme' }), /signature/],
      [await signWithSecret(SECRET, { sub: 'acme' }), /lacks the claim account_id/],
      ['rubbish', /not a JSON Web Token/],
    ];
    for (const [token, message] of cases) {
      const answer = await harness.get(`/bulk-actions/${actionId}`, bearer(token));
      expect(refusalOf(answer)).toEqual([401, 'UNAUTHENTICATED']);
      expect(answer.body.error?.message).toMatch(message);
      expect(answer.headers.get('www-authenticate')).toMatch(message);
      expect(JSON.stringify([answer.body, ...answer.headers])).not.toContain(token);
    }
  });

  it('refuses before it reads the body, whatever the spelling of the path', async () => {
    const answer = await post('no JSON', { 'content-type': 'text/plain' });
    expect(refusalOf(answer)).toEqual([401, 'UNAUTHENTICATED']);
    for (const path of ['/Bulk-Actions/', '/BULK-ACTIONS', '/bulk-actions/a/b/c', '/webhook-secret']) {
      expect(refusalOf(await harness.get(path, {}))).toEqual([401, 'UNAUTHENTICATED']);
    }
  });

  it('keeps paths open that belong to no account', async () => {
    expect(refusalOf(await harness.get('/nothing', {}))).toEqual([404, 'NOT_FOUND']);
    const options = await fetch(`${harness.url}/bulk-actions/${actionId}`, { method: 'OPTIONS' });
    expect(options.status).toBe(200);
  });
});

describe('authentication with public keys', () => {
  let issuer: TokenIssuer;
  beforeAll(async () => {
    issuer = await TokenIssuer.start();
    harness.installation.onDispose(() => issuer.close());
    issuer.fail();
    await harness.start({
      AUTH_MODE: 'jwt',
      JWT_JWKS_URL: issuer.jwksUrl,
      JWT_JWKS_COOLDOWN_MS: '0',
      JWT_JWKS_RETRY_MS: '0',
      JWT_ISSUER: 'https://issuer.example/',
      JWT_AUDIENCE: 'bulk',
      JWT_ACCOUNT_CLAIM: 'https://crm.example/account',
    });
  });
  const payload = { iss: 'https://issuer.example/', aud: 'bulk', 'https://crm.example/account': 'acme' };
  const get = async (change: Record<string, unknown> = {}) =>
    harness.get(`/bulk-actions/${actionId}`, bearer(await issuer.sign({ ...payload, ...change })));

  it('starts without the issuer, is unavailable until it answers, and then follows its keys', async () => {
    const away = await get();
    expect(refusalOf(away)).toEqual([503, 'DEPENDENCY_UNAVAILABLE']);
    expect(Number(away.headers.get('retry-after'))).toBeGreaterThan(0);
    issuer.recover();
    expect((await get()).status).toBe(200);
    await issuer.rotate('RS256');
    expect((await get()).status).toBe(200);
  });

  it.each([{ iss: 'https://evil.example/' }, { aud: 'others' }, { 'https://crm.example/account': 'a:b' }])(
    'refuses a token with %p',
    async (change) => {
      expect(refusalOf(await get(change))).toEqual([401, 'UNAUTHENTICATED']);
    },
  );
});
