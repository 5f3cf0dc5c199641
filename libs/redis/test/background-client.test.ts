import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { loadConfig, silentLogger } from '@bulk/runtime';
import { BreakableLink, eventually, testUrls } from '@bulk/testing';
import { connectRedis, connectRedisInBackground, redisConfigSchema, type Redis } from '../src/index.ts';

const TIMEOUT_MS = 300;
let link: BreakableLink;
let redis: Redis;
beforeAll(async () => {
  const url = new URL(testUrls().REDIS_URL);
  link = await BreakableLink.to(url.hostname, Number(url.port));
  link.break();
  url.host = `127.0.0.1:${link.port}`;
  const config = loadConfig(redisConfigSchema, { REDIS_URL: url.href });
  redis = connectRedisInBackground(config, TIMEOUT_MS, silentLogger());
});
afterAll(async () => {
  redis.disconnect();
  await link.close();
});

/** Returns the time until a command fails, in ms. */
async function failsAfter(): Promise<number> {
  const begin = Date.now();
  await expect(redis.ping()).rejects.toThrow();
  return Date.now() - begin;
}

describe('a background client of Redis', () => {
  it('fails at once while Redis is unavailable, in time while Redis hangs, and reconnects by itself', async () => {
    expect(await failsAfter()).toBeLessThan(TIMEOUT_MS);
    link.restore();
    await eventually('the first connection', () => redis.ping());

    link.hang();
    expect(await failsAfter()).toBeGreaterThanOrEqual(TIMEOUT_MS - 10);
    const underWay = expect(redis.ping()).rejects.toThrow();
    link.break();
    await underWay;
    await eventually('the lost connection is noticed', () => redis.status !== 'ready');
    expect(await failsAfter()).toBeLessThan(TIMEOUT_MS);

    link.restore();
    await eventually('the connection', () => redis.ping());
  });
});

describe('a client of Redis that a service requires', () => {
  it('replaces a dead connection', async () => {
    const config = loadConfig(redisConfigSchema, {
      REDIS_URL: `redis://127.0.0.1:${link.port}`,
      REDIS_TIMEOUT_MS: String(TIMEOUT_MS),
    });
    const client = await connectRedis(config, silentLogger());
    try {
      link.hang();
      // The link accepts new connections; the dead one stays dead.
      await eventually('an answer', () => client.ping());
    } finally {
      client.disconnect();
    }
  });
});
