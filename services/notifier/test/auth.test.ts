import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { eventually, inSeconds, signWithSecret, TokenIssuer } from '@bulk/testing';
import type { ClientOptions } from 'ws';
import { ACCOUNT, NotifierHarness, TestClient, type RunningNotifier } from './harness.ts';
import { ask, UPGRADE } from './http-client.ts';

jest.setTimeout(60_000);

const SECRET = 'a secret of the tests that is long enough';

let harness: NotifierHarness;
let notifier: RunningNotifier;
beforeAll(async () => {
  harness = await NotifierHarness.create();
  notifier = await harness.start({
    AUTH_MODE: 'jwt',
    JWT_REQUIRE_EXPIRY: 'false',
    JWT_SECRET: SECRET,
    JWT_CLOCK_TOLERANCE_S: '0',
  });
});
afterAll(() => harness.installation.dispose());

const tokenOf = (account: string, claims: Record<string, unknown> = {}) =>
  signWithSecret(SECRET, { account_id: account, ...claims });
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

async function connect(path: string, options: ClientOptions = {}, to = notifier): Promise<TestClient> {
  const client = await TestClient.connect(`${to.url}${path}`, options);
  harness.installation.onDispose(() => {
    client.socket.terminate();
    return Promise.resolve();
  });
  return client;
}

describe('a connection with a token', () => {
  it('belongs to the account of the token, in the header or the URL', async () => {
    const actionId = await harness.givenAction();
    const token = await tokenOf(ACCOUNT);
    const clients = [
      await connect('', { headers: bearer(token) }),
      await connect('', { headers: { ...bearer(token), 'x-account-id': ACCOUNT } }),
      await connect(`?access_token=${token}`),
      await connect(`?access_token=${token}&accountId=${ACCOUNT}`),
    ];
    for (const client of clients) expect(await client.subscribe(actionId)).toMatchObject({ actionId });
  });

  it('finds no action of another account', async () => {
    const actionId = await harness.givenAction();
    const client = await connect('', { headers: bearer(await tokenOf('other')) });
    client.send('subscribe', actionId);
    await client.settle();
    expect(client.errors()).toMatchObject([{ code: 'ACTION_NOT_FOUND', details: { actionId } }]);
    await harness.publish({ actionId, version: 2 });
    await client.settle();
    expect(client.updatesOf(actionId)).toEqual([]);
  });

  it('is refused with 403 if it names another account', async () => {
    const token = await tokenOf(ACCOUNT);
    for (const answer of [
      await ask(notifier.port, '/', { ...UPGRADE, ...bearer(token), 'x-account-id': 'other' }),
      await ask(notifier.port, '/?accountId=other', { ...UPGRADE, ...bearer(token) }),
      await ask(notifier.port, `/?access_token=${token}&accountId=${ACCOUNT}&accountId=other`, UPGRADE),
    ]) {
      expect(answer).toMatchObject({ status: 403, error: { code: 'ACCOUNT_FORBIDDEN' } });
    }
  });

  it('is refused with 401 if the token is invalid or missing', async () => {
    const expired = await tokenOf(ACCOUNT, { exp: inSeconds(-1) });
    const cases: [string, Record<string, string>, RegExp][] = [
      ['/', {}, /expected a token/],
      [`/?accountId=${ACCOUNT}`, { 'x-account-id': ACCOUNT }, /expected a token/],
      ['/', { authorization: 'Basic YTpi' }, /expected a token/],
      ['/', bearer(expired), /expired/],
      [`/?access_token=${expired}`, {}, /expired/],
      ['/', bearer(await signWithSecret(`${SECRET}!`, { account_id: ACCOUNT })), /signature/],
      ['/', bearer(await signWithSecret(SECRET, { sub: ACCOUNT })), /lacks the claim account_id/],
      [`/?access_token=${await tokenOf('a')}`, bearer(await tokenOf('b')), /two different/],
    ];
    for (const [path, headers, message] of cases) {
      const answer = await ask(notifier.port, path, { ...UPGRADE, ...headers });
      expect(answer).toMatchObject({ status: 401, error: { code: 'UNAUTHENTICATED' } });
      expect(answer.error.message).toMatch(message);
      expect(answer.headers['www-authenticate']).toMatch(
        /^Bearer error="invalid_token", error_description="/,
      );
    }
    expect(notifier.failures).toEqual([]);
  });

  it('is closed when the token expires, while others stay open', async () => {
    const exp = inSeconds(2);
    const short = await connect('', { headers: bearer(await tokenOf(ACCOUNT, { exp })) });
    const forever = await connect('', { headers: bearer(await tokenOf(ACCOUNT, { exp: undefined })) });
    const far = await connect('', { headers: bearer(await tokenOf(ACCOUNT, { exp: 1e12 })) });
    expect(await short.awaitClose()).toEqual({ code: 4401, reason: 'token expired' });
    expect(Date.now()).toBeGreaterThanOrEqual(exp * 1_000);
    for (const client of [forever, far]) {
      await client.settle();
      expect(client.closed).toBeUndefined();
    }
  });
});

describe('a connection while the public keys are unavailable', () => {
  it('is refused with 503 and accepted after the issuer recovers', async () => {
    const issuer = await TokenIssuer.start();
    harness.installation.onDispose(() => issuer.close());
    issuer.fail();
    const env = { AUTH_MODE: 'jwt', JWT_JWKS_URL: issuer.jwksUrl, JWT_JWKS_RETRY_MS: '0' };
    const keyed = await harness.start(env);
    const headers = bearer(await issuer.sign({ account_id: ACCOUNT }));
    const answer = await ask(keyed.port, '/', { ...UPGRADE, ...headers });
    expect(answer).toMatchObject({ status: 503, error: { code: 'AUTH_KEYS_UNAVAILABLE' } });
    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
    issuer.recover();
    const client = await connect('', { headers }, keyed);
    await client.subscribe(await harness.givenAction());
  });

  it('counts against the limit while it waits, and does not delay a stop', async () => {
    const issuer = await TokenIssuer.start();
    harness.installation.onDispose(() => issuer.close());
    let release: () => void = () => undefined;
    let asked = 0;
    const slow = createServer((_request, response) => {
      asked += 1;
      release = () => void fetch(issuer.jwksUrl).then(async (keys) => response.end(await keys.text()));
    });
    await once(slow.listen(0, '127.0.0.1'), 'listening');
    harness.installation.onDispose(async () => {
      slow.closeAllConnections();
      await new Promise((resolve) => slow.close(resolve));
    });
    const env = {
      AUTH_MODE: 'jwt',
      JWT_JWKS_URL: `http://127.0.0.1:${(slow.address() as AddressInfo).port}/`,
      JWT_JWKS_TIMEOUT_MS: '60000',
      MAX_CONNECTIONS: '1',
    };
    const keyed = await harness.start(env);
    const headers = bearer(await issuer.sign({ account_id: ACCOUNT }));
    const waiting = connect('', { headers }, keyed);
    await eventually('the question', () => asked === 1);
    expect(await ask(keyed.port, '/', { ...UPGRADE, ...headers })).toMatchObject({
      status: 503,
      error: { code: 'TOO_MANY_CONNECTIONS' },
    });
    release();
    const client = await waiting;
    await client.subscribe(await harness.givenAction());

    const stopping = await harness.start(env);
    const late = connect('', { headers }, stopping);
    const refused = expect(late).rejects.toThrow(/socket hang up|ECONNRESET/);
    await eventually('the question', () => asked === 2);
    const begin = Date.now();
    await stopping.stop();
    expect(Date.now() - begin).toBeLessThan(10_000);
    await refused;
  });
});
