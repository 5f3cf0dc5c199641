import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { FaultKind } from '@bulk/domain';
import { loadConfig, silentLogger } from '@bulk/runtime';
import { eventually } from '@bulk/testing';
import { OwnRedis } from '@bulk/testing/own-redis';
import { connectRedis, FirstPositions, redisConfigSchema, RedisError, type Redis } from '../src/index.ts';

let own: OwnRedis;
let admin: Redis;
beforeAll(async () => {
  own = await OwnRedis.start();
  const config = loadConfig(redisConfigSchema, { REDIS_URL: own.url });
  admin = await eventually('Redis answers', () =>
    connectRedis(config, silentLogger()).catch(() => undefined),
  );
});
afterAll(async () => {
  admin.disconnect();
  await own.stop();
});
beforeEach(async () => {
  await admin.config('SET', 'maxmemory', '0');
  await admin.call('REPLICAOF', 'NO', 'ONE');
  await admin.flushall();
});

const claimBy = (redis: Redis, actionId: string = randomUUID()): Promise<unknown> =>
  new FirstPositions(redis, 'refusals:', 60)
    .claim({
      actionId,
      batchNo: 0,
      generation: 0,
      partition: 0,
      offset: 0,
      entities: [{ position: 0, id: 'x' }],
    })
    .catch((error: unknown) => error);

function expectOutage(answer: unknown, fault: FaultKind): void {
  expect(answer).toBeInstanceOf(RedisError);
  expect(answer).toMatchObject({ code: 'REDIS_UNAVAILABLE', retryable: true, fault });
}

async function as(user: string, rights: readonly string[]): Promise<Redis> {
  await admin.call('ACL', 'SETUSER', user, 'reset', 'on', '>secret', '~*', ...rights);
  const url = own.url.replace('redis://', `redis://${user}:secret@`);
  return connectRedis(loadConfig(redisConfigSchema, { REDIS_URL: url }), silentLogger());
}

describe('Redis that refuses to record first positions', () => {
  it('causes an outage when it is full without eviction, and serves again with more memory', async () => {
    await admin.config('SET', 'maxmemory', '1');
    expectOutage(await claimBy(admin), 'out-of-memory');
    expect(await admin.ping()).toBe('PONG');
    await admin.config('SET', 'maxmemory', '0');
    expect(await claimBy(admin)).toMatchObject({ kind: 'claimed' });
  });

  it('causes an outage when the user may not run scripts or write', async () => {
    for (const [user, rights] of [
      ['reader', ['+@all', '-eval', '-evalsha']],
      ['writer', ['+@all', '-hset', '-hsetnx']],
    ] as const) {
      const redis = await as(user, rights);
      expectOutage(await claimBy(redis), 'authorisation');
      redis.disconnect();
    }
  });

  it('causes an outage when the password is wrong', async () => {
    await admin.call('ACL', 'SETUSER', 'rotated', 'reset', 'on', '>other');
    const url = own.url.replace('redis://', 'redis://rotated:secret@');
    const config = loadConfig(redisConfigSchema, { REDIS_URL: url });
    const refusal = await connectRedis(config, silentLogger()).catch((error: unknown) => error);
    expectOutage(refusal, 'authentication');
  });

  it('causes an outage when it has become a replica', async () => {
    await admin.call('REPLICAOF', '127.0.0.1', '1');
    expectOutage(await claimBy(admin), 'read-only');
  });

  it('fails permanently when the key of one action has another type', async () => {
    const actionId = randomUUID();
    await admin.set(`refusals:firsts:${actionId}:0`, 'no hash');
    expect(await claimBy(admin, actionId)).toMatchObject({
      code: 'REDIS_FAILED',
      retryable: false,
      fault: 'request',
    });
    expect(await claimBy(admin)).toMatchObject({ kind: 'claimed' });
  });
});
