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
  it('looks for Redis, too, where all parts are needed', async () => {
    await expect(runningEnvironment(withoutRedis, ALL_PARTS)).rejects.toMatchObject({
      code: 'NOT_UP',
      message: expect.stringContaining('REDIS_URL is not set and the local stack no-such-stack is not up'),
    });
    const env = { ...withoutRedis, REDIS_URL: 'redis://redis:6379' };
    expect(await runningEnvironment(env, ALL_PARTS)).toEqual(env);
  });

  it('asks for no Redis where the tool does without', async () => {
    expect(await runningEnvironment(withoutRedis)).toEqual(withoutRedis);
  });
});
