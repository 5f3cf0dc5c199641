import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { loadConfig } from './config.ts';
import { faultOf } from './credentials.ts';
import { Health } from './health.ts';
import { createLogger } from './logger.ts';
import {
  checkRotatedSecret,
  redactorOf,
  rotatedSecretFile,
  rotatedSecrets,
  secretFile,
  secretOfLength,
  secretsOf,
  secretText,
  textFile,
} from './secrets.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'secrets-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('the secrets of a configuration', () => {
  it('are the values of secret names and the passwords in URLs', () => {
    expect(
      secretsOf({
        KAFKA_SASL_PASSWORD: 'one-1',
        WEBHOOK_SECRET: 'two-2',
        KAFKA_TLS_KEY_FILE: 'three-3',
        MONGODB_URI: 'mongodb://user:fo%40ur@a:1,b:2/db?x=y',
        REDIS_URL: 'rediss://:fi@ve@localhost:6379/0',
        SCHEMA_REGISTRY_URL: 'https://localhost:8081/path',
        KAFKA_SASL_USERNAME: 'user',
        KAFKA_SASL_TOKEN_URL: 'https://issuer/token',
        PORT: 3_000,
        REDIS_PASSWORD: undefined,
      }),
    ).toEqual(['one-1', 'two-2', 'three-3', 'fo%40ur', 'fo@ur', 'fi@ve', 'fi@ve']);
  });

  it('are removed from a text in every encoding', () => {
    const redact = redactorOf(['pass', 'passphrase"/', 'x']);
    expect(redact('is passphrase"/ not x')).toBe('is [redacted] not x');
    expect(redact(JSON.stringify({ a: 'passphrase"/' }))).toBe('{"a":"[redacted]"}');
    expect(redact('https://u:passphrase%22%2F@host?pass')).toBe('https://u:[redacted]@host?[redacted]');
  });
});

describe('a secret in the error of a client', () => {
  const redact = redactorOf(['hid"den']);
  const error = new Error('no answer of redis://u:hid%22den@host');

  it('is removed from every part of a log line', () => {
    const lines: string[] = [];
    const options = { service: 'test', level: 'info', format: 'json', redact } as const;
    createLogger(options, { write: (line) => lines.push(line) }).warn(
      { err: error, args: ['hid"den'] },
      'hid"den',
    );
    expect(lines.join('')).not.toMatch(/hid(%22|\\")den/);
    expect(JSON.parse(lines.join(''))).toMatchObject({ msg: '[redacted]', args: ['[redacted]'] });
  });

  it('is removed from /readyz and /healthz', () => {
    const health = new Health(undefined, redact);
    health.set('redis', 'waiting', error.message);
    expect(health.report().components).toEqual({
      redis: { state: 'waiting', reason: 'no answer of redis://u:[redacted]@host' },
    });
  });
});

describe('a setting that names a file', () => {
  const schema = z.object({ REDIS_PASSWORD_FILE: textFile('A file.') });

  it("has the file's text without trailing whitespace", () => {
    const path = join(folder, 'password');
    writeFileSync(path, 'hidden \n\n');
    expect(loadConfig(schema, { REDIS_PASSWORD_FILE: path })).toEqual({ REDIS_PASSWORD_FILE: 'hidden' });
  });

  it('is invalid if the file is missing or empty', () => {
    const missing = join(folder, 'missing');
    expect(() => loadConfig(schema, { REDIS_PASSWORD_FILE: missing })).toThrow(
      'REDIS_PASSWORD_FILE: expected a file that can be read (ENOENT)',
    );
    const empty = join(folder, 'empty');
    writeFileSync(empty, '\n');
    expect(() => loadConfig(schema, { REDIS_PASSWORD_FILE: empty })).toThrow('not empty');
  });
});

describe('a secret that can be rotated', () => {
  const form = secretOfLength(8);
  const schema = z
    .object({
      KEY_SECRET: secretText(form, ''),
      KEY_SECRET_FILE: secretFile(form, ''),
      KEY_SECRET_PREVIOUS: secretText(form, ''),
      KEY_SECRET_PREVIOUS_FILE: rotatedSecretFile(form, ''),
    })
    .superRefine((config, context) => checkRotatedSecret(config, 'KEY_SECRET', faultOf(context)));
  const file = (text: string): string => {
    const path = join(mkdtempSync(join(folder, 'rotated-')), 'secret');
    writeFileSync(path, text);
    return path;
  };

  it('comes from a file, and the previous one exists only during a rotation', () => {
    const present = { KEY_SECRET_FILE: file('present-1\n') };
    const given = (path: string): unknown =>
      loadConfig(schema, { ...present, KEY_SECRET_PREVIOUS_FILE: path }).KEY_SECRET_PREVIOUS_FILE;
    expect(given(file('previous-1\n'))).toBe('previous-1');
    expect(given(file('\n'))).toBeUndefined();
    expect(given(join(folder, 'missing'))).toBeUndefined();
    expect(loadConfig(schema, present).KEY_SECRET_FILE).toBe('present-1');
    expect(rotatedSecrets('a', 'b')).toEqual(['a', 'b']);
    expect(rotatedSecrets('a', 'a')).toEqual(['a']);
    expect(rotatedSecrets(undefined, undefined)).toEqual([]);
  });

  it.each([
    [
      { KEY_SECRET: 'present-1', KEY_SECRET_FILE: 'present-1' },
      'KEY_SECRET_FILE: expected this or KEY_SECRET,',
    ],
    [{ KEY_SECRET_FILE: 'short-1' }, 'KEY_SECRET_FILE: expected at least 8 characters'],
    [{ KEY_SECRET_FILE: '' }, 'KEY_SECRET_FILE: expected a file that is not empty'],
    [{ KEY_SECRET_PREVIOUS: 'previous-1' }, 'KEY_SECRET_PREVIOUS: expected KEY_SECRET or KEY_SECRET_FILE as'],
    [{ KEY_SECRET: 'present-1', KEY_SECRET_PREVIOUS_FILE: 'short-1' }, 'PREVIOUS_FILE: expected at least 8'],
  ])('is refused as %j without being revealed', (given, message) => {
    const env = Object.fromEntries(
      Object.entries(given).map(([name, text]) => [name, name.endsWith('_FILE') ? file(text) : text]),
    );
    const load = (): unknown => loadConfig(schema, env);
    expect(load).toThrow(message);
    expect(load).not.toThrow(/present-1|previous-1|short-1/);
  });
});
