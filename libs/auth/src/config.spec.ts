import { describe, expect, it } from '@jest/globals';
import { loadConfig } from '@bulk/runtime';
import { z } from 'zod';
import { authConfigShape, checkAuthConfig } from './config.ts';

const schema = z.object(authConfigShape).superRefine(checkAuthConfig);
const SECRET = 's'.repeat(32);
const URL = 'https://issuer.example/jwks.json';

describe('authConfigShape', () => {
  it('trusts the header by default', () => {
    expect(loadConfig(schema, {})).toMatchObject({ AUTH_MODE: 'header', JWT_ACCOUNT_CLAIM: 'account_id' });
  });

  it.each([{ JWT_SECRET: SECRET }, { JWT_JWKS_URL: URL }])('accepts jwt with %p', (key) => {
    expect(loadConfig(schema, { AUTH_MODE: 'jwt', ...key })).toMatchObject({ AUTH_MODE: 'jwt', ...key });
  });

  it.each([
    [{ AUTH_MODE: 'none' }, /AUTH_MODE: expected header or jwt/],
    [{ AUTH_MODE: 'jwt' }, /AUTH_MODE: jwt needs exactly one of .* found neither/],
    [{ AUTH_MODE: 'jwt', JWT_SECRET: SECRET, JWT_JWKS_URL: URL }, /AUTH_MODE: jwt needs .* found both/],
    [{ AUTH_MODE: 'jwt', JWT_SECRET: 'short' }, /JWT_SECRET: expected at least 32 characters/],
    [{ AUTH_MODE: 'jwt', JWT_JWKS_URL: 'file:///etc/passwd' }, /JWT_JWKS_URL: expected an http/],
    [{ JWT_SECRET: SECRET }, /JWT_SECRET: expected AUTH_MODE=jwt/],
    [
      { AUTH_MODE: 'jwt', JWT_JWKS_URL: URL, JWT_SECRET_PREVIOUS: SECRET },
      /JWT_SECRET_PREVIOUS: expected JWT_SECRET or JWT_SECRET_FILE as well/,
    ],
    [{ JWT_JWKS_URL: URL }, /JWT_JWKS_URL: expected AUTH_MODE=jwt/],
  ])('refuses %p', (env, message) => {
    expect(() => loadConfig(schema, env)).toThrow(message);
  });
});
