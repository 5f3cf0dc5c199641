import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { loadConfig, silentLogger } from '@bulk/runtime';
import { eventually, signWithSecret, TokenIssuer } from '@bulk/testing';
import { z } from 'zod';
import { authConfigShape, createAuthenticator, type Authenticator } from '../src/index.ts';

let issuer: TokenIssuer;
beforeEach(async () => {
  issuer = await TokenIssuer.start();
});
afterEach(() => issuer.close());

function authenticator(env: Record<string, string> = {}): Authenticator {
  const settings = { JWT_JWKS_COOLDOWN_MS: '0', JWT_JWKS_RETRY_MS: '0', ...env };
  const config = loadConfig(z.object(authConfigShape), {
    AUTH_MODE: 'jwt',
    JWT_JWKS_URL: issuer.jwksUrl,
    ...settings,
  });
  return createAuthenticator(config, silentLogger());
}

const accountOf = async (jwt: Authenticator, token: string): Promise<string | undefined> =>
  (await jwt.authenticate({ authorization: `Bearer ${token}` }, []))?.accountId;
const codeOf = (jwt: Authenticator, token: string): Promise<unknown> =>
  accountOf(jwt, token).then(
    () => 'taken',
    (error: unknown) => (error as { code?: string }).code,
  );

describe('an authenticator with public keys', () => {
  it.each(['RS256', 'PS384', 'ES256', 'ES512', 'EdDSA'])(
    'accepts tokens signed with %s and fetches the keys once',
    async (alg) => {
      await issuer.rotate(alg);
      const jwt = authenticator();
      const tokens = await Promise.all(['a', 'b', 'c'].map((account_id) => issuer.sign({ account_id })));
      expect(await Promise.all(tokens.map((token) => accountOf(jwt, token)))).toEqual(['a', 'b', 'c']);
      expect(issuer.requests).toBe(1);
    },
  );

  it('fetches a new key and no longer accepts the old one', async () => {
    const jwt = authenticator();
    const old = await issuer.sign({ account_id: 'acme' });
    expect(await accountOf(jwt, old)).toBe('acme');
    await issuer.rotate();
    expect(await accountOf(jwt, await issuer.sign({ account_id: 'acme' }))).toBe('acme');
    expect(await codeOf(jwt, old)).toBe('UNAUTHENTICATED');
  });

  it('does not fetch repeatedly for unknown keys', async () => {
    const jwt = authenticator({ JWT_JWKS_COOLDOWN_MS: '60000' });
    const token = await issuer.sign({ account_id: 'acme' });
    expect(await accountOf(jwt, token)).toBe('acme');
    await issuer.rotate();
    const unknown = await issuer.sign({ account_id: 'acme' });
    for (let i = 0; i < 5; i += 1) expect(await codeOf(jwt, unknown)).toBe('UNAUTHENTICATED');
    expect(issuer.requests).toBe(1);
  });

  it('accepts no shared secret, not even the public key as one', async () => {
    const jwks = await (await fetch(issuer.jwksUrl)).text();
    const jwt = authenticator();
    for (const secret of [jwks, JSON.stringify((JSON.parse(jwks) as { keys: unknown[] }).keys[0])]) {
      expect(await codeOf(jwt, await signWithSecret(secret, { account_id: 'acme' }))).toBe('UNAUTHENTICATED');
    }
  });

  it('fails with a retryable error while there are no keys, and recovers', async () => {
    issuer.fail();
    const jwt = authenticator();
    const token = await issuer.sign({ account_id: 'acme' });
    const failed = jwt.authenticate({ authorization: `Bearer ${token}` }, []);
    await expect(failed).rejects.toMatchObject({ code: 'AUTH_KEYS_UNAVAILABLE', retryable: true });
    issuer.recover();
    expect(await accountOf(jwt, token)).toBe('acme');
  });

  it('limits how often it asks an issuer that failed', async () => {
    issuer.fail();
    const jwt = authenticator({ JWT_JWKS_RETRY_MS: '60000' });
    const token = await issuer.sign({ account_id: 'acme' });
    for (let i = 0; i < 5; i += 1) expect(await codeOf(jwt, token)).toBe('AUTH_KEYS_UNAVAILABLE');
    expect(issuer.requests).toBe(1);
  });

  it('continues with known keys while the issuer is unavailable, and sees a change afterwards', async () => {
    const jwt = authenticator({ JWT_JWKS_REFRESH_MS: '100' });
    const old = await issuer.sign({ account_id: 'acme' });
    expect(await accountOf(jwt, old)).toBe('acme');
    issuer.fail();
    await eventually('refreshes that failed', async () => {
      expect(await accountOf(jwt, old)).toBe('acme');
      return issuer.requests >= 4;
    });
    await issuer.rotate();
    const newer = await issuer.sign({ account_id: 'acme' });
    expect(await codeOf(jwt, newer)).toBe('AUTH_KEYS_UNAVAILABLE');
    issuer.recover();
    expect(await accountOf(jwt, newer)).toBe('acme');
    // It was not used since. It disappears with the key set that contained it.
    expect(await codeOf(jwt, old)).toBe('UNAUTHENTICATED');
  });

  it('stops waiting for an issuer that hangs', async () => {
    const silent = createServer(() => undefined);
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}/`;
    const jwt = authenticator({ JWT_JWKS_URL: url, JWT_JWKS_TIMEOUT_MS: '100' });
    expect(await codeOf(jwt, await issuer.sign({ account_id: 'acme' }))).toBe('AUTH_KEYS_UNAVAILABLE');
    silent.closeAllConnections();
    silent.close();
  });
});
