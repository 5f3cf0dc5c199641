import { describe, expect, it } from '@jest/globals';
import { ALL_PARTS, runningEnvironment } from './running.ts';

/** No stack of this name is up. */
const STACK_NAME = 'no-such-stack';
const withoutRedis = {
  STACK_NAME,
  KAFKA_BROKERS: 'kafka:9092',
  SCHEMA_REGISTRY_URL: 'http://registry:8081',
  MONGODB_URI: 'mongodb://mongo:27017',
};

describe('runningEnvironment', () => {
  it('searches for Redis when all parts are needed', async () => {
    await expect(runningEnvironment(withoutRedis, ALL_PARTS)).rejects.toMatchObject({
      code: 'NOT_UP',
      message: expect.stringContaining('REDIS_URL is not set and the local stack no-such-stack is not up'),
    });
    const env = { ...withoutRedis, REDIS_URL: 'redis://redis:6379' };
    expect(await runningEnvironment(env, ALL_PARTS)).toEqual(env);
  });

  it('does not search for Redis when the tool does not need it', async () => {
    expect(await runningEnvironment(withoutRedis)).toEqual(withoutRedis);
  });
});
