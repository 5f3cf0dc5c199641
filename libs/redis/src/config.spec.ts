import { describe, expect, it } from '@jest/globals';
import { loadConfig } from '@bulk/runtime';
import { redisConfigSchema } from './config.ts';

describe('the configuration of Redis', () => {
  it.each<[Record<string, string>, string]>([
    [{ REDIS_USERNAME: 'bulk' }, 'REDIS_USERNAME: expected REDIS_PASSWORD or REDIS_PASSWORD_FILE as well'],
    [
      { REDIS_URL: 'redis://:hidden@host', REDIS_PASSWORD: 'hidden' },
      'REDIS_PASSWORD: expected no credentials in REDIS_URL',
    ],
    [{ REDIS_TLS_CA_FILE: import.meta.filename }, 'REDIS_TLS_CA_FILE: expected REDIS_TLS=true'],
    [{ REDIS_PASSWORD: 'hidden', REDIS_PASSWORD_FILE: import.meta.filename }, 'found both'],
  ])('refuses %j with the variable and without a value', (env, message) => {
    expect(() => loadConfig(redisConfigSchema, env)).toThrow(message);
    expect(() => loadConfig(redisConfigSchema, env)).not.toThrow('hidden');
  });

  it.each<[Record<string, string>]>([
    [{ REDIS_PASSWORD: 'hidden' }],
    [{ REDIS_URL: 'rediss://host', REDIS_TLS_CA_FILE: import.meta.filename }],
  ])('accepts %j', (env) => {
    expect(loadConfig(redisConfigSchema, env)).toMatchObject({ REDIS_PREFIX: 'bulk:' });
  });
});
