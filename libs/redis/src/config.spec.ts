import { describe, expect, it } from '@jest/globals';
import { loadConfig } from '@bulk/runtime';
import { redisConfigSchema, replicationOf } from './config.ts';

describe('the configuration of Redis', () => {
  it.each<[Record<string, string>, string]>([
    [{ REDIS_USERNAME: 'bulk' }, 'REDIS_USERNAME: expected REDIS_PASSWORD or REDIS_PASSWORD_FILE as well'],
    [
      { REDIS_URL: 'redis://:hidden@host', REDIS_PASSWORD: 'hidden' },
      'REDIS_PASSWORD: expected no credentials in REDIS_URL',
    ],
    [{ REDIS_TLS_CA_FILE: import.meta.filename }, 'REDIS_TLS_CA_FILE: expected REDIS_TLS=true'],
    [{ REDIS_PASSWORD: 'hidden', REDIS_PASSWORD_FILE: import.meta.filename }, 'found both'],
    [{ REDIS_SENTINELS: 'a:26379' }, 'REDIS_SENTINELS: expected REDIS_SENTINEL_NAME as well'],
    [{ REDIS_SENTINELS: 'hidden@a', REDIS_SENTINEL_NAME: 'bulk' }, 'REDIS_SENTINELS'],
    [{ REDIS_SENTINEL_NAME: 'bulk' }, 'REDIS_SENTINEL_NAME: expected REDIS_SENTINELS as well'],
    [{ REDIS_SENTINEL_PASSWORD: 'hidden' }, 'REDIS_SENTINEL_PASSWORD: expected REDIS_SENTINELS as well'],
    [
      { REDIS_SENTINELS: 'a', REDIS_SENTINEL_NAME: 'bulk', REDIS_URL: 'redis://:hidden@b' },
      'REDIS_URL: expected this or REDIS_SENTINELS, found both',
    ],
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

  it('takes sentinels with and without a port, and lets claims wait for a replica', () => {
    const sentinels = { REDIS_SENTINELS: 'a, b:5000', REDIS_SENTINEL_NAME: 'bulk' };
    const config = loadConfig(redisConfigSchema, sentinels);
    expect(config.REDIS_SENTINELS).toEqual([
      { host: 'a', port: 26_379 },
      { host: 'b', port: 5_000 },
    ]);
    expect(replicationOf(config)).toEqual({ replicas: 1, timeoutMs: 2_500 });
    const none = loadConfig(redisConfigSchema, { ...sentinels, REDIS_WAIT_REPLICAS: '0' });
    expect(replicationOf(none).replicas).toBe(0);
    expect(replicationOf(loadConfig(redisConfigSchema, {})).replicas).toBe(0);
  });
});
