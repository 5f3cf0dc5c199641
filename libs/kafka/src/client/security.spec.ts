import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { loadConfig } from '@bulk/runtime';
import { kafkaConfigSchema } from './config.ts';
import { brokerAccess, registryAccess } from './connection.ts';

let file: string;
beforeAll(() => {
  file = join(mkdtempSync(join(tmpdir(), 'kafka-security-')), 'file');
  writeFileSync(file, 'content\n');
});
afterAll(() => rmSync(join(file, '..'), { recursive: true, force: true }));

const config = (env: Readonly<Record<string, string>>) => loadConfig(kafkaConfigSchema, env);
const OAUTH = {
  KAFKA_SASL_MECHANISM: 'oauthbearer',
  KAFKA_SASL_TOKEN_URL: 'https://issuer/token',
  KAFKA_SASL_CLIENT_ID: 'bulk',
};
const SASL = { KAFKA_SASL_MECHANISM: 'scram-sha-512', KAFKA_SASL_USERNAME: 'bulk' };

describe('access to the brokers', () => {
  it('is unencrypted and anonymous by default', () => {
    expect(brokerAccess(config({}))).toEqual({ brokers: ['127.0.0.1:9092'] });
  });

  it('uses the configured TLS, certificates and credentials', () => {
    const env = {
      ...SASL,
      KAFKA_TLS: 'true',
      KAFKA_TLS_CA_FILE: file,
      KAFKA_TLS_CERT_FILE: file,
      KAFKA_TLS_KEY_FILE: file,
      KAFKA_SASL_PASSWORD_FILE: file,
    };
    expect(brokerAccess(config(env))).toMatchObject({
      ssl: { ca: 'content', cert: 'content', key: 'content' },
      sasl: { mechanism: 'scram-sha-512', username: 'bulk', password: 'content' },
    });
    expect(brokerAccess(config({ KAFKA_TLS: 'true' }))).toMatchObject({ ssl: {} });
  });
});

describe('access to the brokers by OAuth', () => {
  it('asks for tokens when kafkajs authenticates', () => {
    const env = { ...OAUTH, KAFKA_SASL_CLIENT_SECRET_FILE: file, KAFKA_SASL_SCOPE: 'kafka' };
    const { sasl } = brokerAccess(config(env));
    expect(sasl).toEqual({ mechanism: 'oauthbearer', oauthBearerProvider: expect.any(Function) });
  });

  it.each([
    'https://issuer/token',
    'http://localhost:1/token',
    'http://127.0.0.1/token',
    'http://[::1]/token',
  ])('accepts the token endpoint %s', (url) => {
    const env = { ...OAUTH, KAFKA_SASL_TOKEN_URL: url, KAFKA_SASL_CLIENT_SECRET: 'hidden' };
    expect(config(env).KAFKA_SASL_TOKEN_URL).toBe(url);
  });

  it.each([
    'http://issuer/token',
    'https://a:hidden@issuer/token',
    'http://127.0.0.1.example.com/token',
    'hidden',
  ])('refuses the token endpoint %s', (url) => {
    const env = { ...OAUTH, KAFKA_SASL_TOKEN_URL: url, KAFKA_SASL_CLIENT_SECRET: 'hidden' };
    expect(() => config(env)).toThrow('KAFKA_SASL_TOKEN_URL: expected an https:// URL without credentials');
    expect(() => config(env)).not.toThrow('hidden');
  });
});

describe('access to the Schema Registry', () => {
  it('moves credentials out of the URL', () => {
    const url = 'https://us%40er:pa%3Ass@registry:8081/apis/ccompat/v7';
    expect(registryAccess(config({ SCHEMA_REGISTRY_URL: url }))).toEqual({
      host: 'https://registry:8081/apis/ccompat/v7',
      auth: { username: 'us@er', password: 'pa:ss' },
    });
  });

  it('uses the configured credentials and certificates', () => {
    const env = {
      SCHEMA_REGISTRY_URL: 'https://registry',
      SCHEMA_REGISTRY_USERNAME: 'bulk',
      SCHEMA_REGISTRY_PASSWORD: 'hidden',
      SCHEMA_REGISTRY_CA_FILE: file,
    };
    const { host, auth, agent } = registryAccess(config(env));
    expect({ host, auth, ca: agent?.options.ca }).toEqual({
      host: 'https://registry',
      auth: { username: 'bulk', password: 'hidden' },
      ca: 'content',
    });
  });
});

describe('a contradictory combination of settings', () => {
  const file404 = '/nowhere/at/all';
  it.each<[Record<string, string>, string]>([
    [{ KAFKA_TLS_CA_FILE: 'FILE' }, 'KAFKA_TLS_CA_FILE: expected KAFKA_TLS=true as well'],
    [{ KAFKA_TLS: 'true', KAFKA_TLS_CERT_FILE: 'FILE' }, 'KAFKA_TLS_CERT_FILE: expected KAFKA_TLS_KEY_FILE'],
    [{ KAFKA_TLS: 'true', KAFKA_TLS_KEY_FILE: 'FILE' }, 'KAFKA_TLS_KEY_FILE: expected KAFKA_TLS_CERT_FILE'],
    [
      { KAFKA_TLS: 'true', KAFKA_TLS_CA_FILE: file404 },
      'KAFKA_TLS_CA_FILE: expected a file that can be read',
    ],
    [SASL, 'KAFKA_SASL_USERNAME: expected KAFKA_SASL_PASSWORD or KAFKA_SASL_PASSWORD_FILE as well'],
    [{ KAFKA_SASL_MECHANISM: 'plain' }, 'KAFKA_SASL_MECHANISM: expected KAFKA_SASL_USERNAME and a password'],
    [{ KAFKA_SASL_MECHANISM: 'hidden' }, 'KAFKA_SASL_MECHANISM: expected plain, scram-sha-256'],
    [{ KAFKA_SASL_PASSWORD: 'hidden' }, 'KAFKA_SASL_PASSWORD: expected KAFKA_SASL_MECHANISM as well'],
    [{ ...SASL, KAFKA_SASL_PASSWORD: 'hidden', KAFKA_SASL_PASSWORD_FILE: 'FILE' }, 'found both'],
    [{ KAFKA_SASL_MECHANISM: 'oauthbearer' }, 'KAFKA_SASL_MECHANISM: expected KAFKA_SASL_TOKEN_URL as well'],
    [{ KAFKA_SASL_MECHANISM: 'oauthbearer' }, 'KAFKA_SASL_MECHANISM: expected KAFKA_SASL_CLIENT_ID as well'],
    [OAUTH, 'expected KAFKA_SASL_CLIENT_SECRET or KAFKA_SASL_CLIENT_SECRET_FILE as well'],
    [
      { ...OAUTH, KAFKA_SASL_CLIENT_SECRET: 'hidden', KAFKA_SASL_CLIENT_SECRET_FILE: 'FILE' },
      'KAFKA_SASL_CLIENT_SECRET_FILE: expected this or KAFKA_SASL_CLIENT_SECRET, found both',
    ],
    [
      { ...OAUTH, KAFKA_SASL_CLIENT_SECRET: 'hidden', KAFKA_SASL_PASSWORD: 'hidden' },
      'KAFKA_SASL_PASSWORD: expected plain or SCRAM as KAFKA_SASL_MECHANISM as well',
    ],
    [
      { ...SASL, KAFKA_SASL_PASSWORD: 'hidden', KAFKA_SASL_SCOPE: 'kafka' },
      'KAFKA_SASL_SCOPE: expected KAFKA_SASL_MECHANISM=oauthbearer as well',
    ],
    [
      { KAFKA_SASL_CLIENT_SECRET: 'hidden' },
      'KAFKA_SASL_CLIENT_SECRET: expected KAFKA_SASL_MECHANISM=oauthbearer as well',
    ],
    [{ SCHEMA_REGISTRY_USERNAME: 'bulk' }, 'SCHEMA_REGISTRY_USERNAME: expected SCHEMA_REGISTRY_PASSWORD'],
    [{ SCHEMA_REGISTRY_CA_FILE: 'FILE' }, 'SCHEMA_REGISTRY_CA_FILE: expected an https:// URL'],
    [
      {
        SCHEMA_REGISTRY_URL: 'http://bulk:hidden@registry',
        SCHEMA_REGISTRY_USERNAME: 'bulk',
        SCHEMA_REGISTRY_PASSWORD: 'hidden',
      },
      'SCHEMA_REGISTRY_USERNAME: expected no credentials in SCHEMA_REGISTRY_URL',
    ],
  ])('is refused with the variable and without a value: %j', (env, message) => {
    const whole = Object.fromEntries(
      Object.entries(env).map(([name, value]) => [name, value === 'FILE' ? file : value]),
    );
    expect(() => config(whole)).toThrow(message);
    expect(() => config(whole)).not.toThrow('hidden');
  });
});
