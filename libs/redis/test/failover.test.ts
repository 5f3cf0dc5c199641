import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { loadConfig, silentLogger } from '@bulk/runtime';
import { eventually } from '@bulk/testing';
import { ReplicatedRedis } from '@bulk/testing/replicated-redis';
import {
  connectRedis,
  FirstPositions,
  redisConfigSchema,
  RedisError,
  replicationOf,
  type BatchClaim,
  type ClaimResult,
  type Redis,
  type RedisConfig,
} from '../src/index.ts';

const TIMEOUT_MS = '1000';
let servers: ReplicatedRedis;
let config: RedisConfig;
/** A client that follows the primary. */
let redis: Redis;
beforeAll(async () => {
  servers = await ReplicatedRedis.start();
  config = loadConfig(redisConfigSchema, { ...servers.env, REDIS_TIMEOUT_MS: TIMEOUT_MS });
  redis = await eventually('the primary answers', () =>
    connectRedis(config, silentLogger()).catch(() => undefined),
  );
  await eventually('the replica follows', () => isReplicated());
});
afterAll(async () => {
  redis.disconnect();
  await servers.stop();
});

async function isReplicated(): Promise<boolean> {
  return (await redis.wait(1, 100)) === 1;
}

/** A batch that names the entity `x` at the position of its number. */
function claimOf(actionId: string, batchNo: number): BatchClaim {
  const entities = [{ position: batchNo, id: 'x' }];
  return { actionId, batchNo, generation: 0, partition: 0, offset: batchNo, entities };
}

function firstPositions(replicas: number): FirstPositions {
  return new FirstPositions(redis, 'failover:', 60, { ...replicationOf(config), replicas });
}

describe('first positions in a Redis with a replica', () => {
  it('are claimed by one more command for all batches of a request', async () => {
    const waits = async (): Promise<number> =>
      Number(/cmdstat_wait:calls=(\d+)/.exec(await redis.info('commandstats'))?.[1] ?? 0);
    const before = await waits();
    const firsts = firstPositions(1);
    const claim = (): Promise<unknown> => firsts.claim(claimOf(randomUUID(), 0));
    await eventually('the first claim', claim);
    await Promise.allSettled(Array.from({ length: 50 }, claim));
    // The first claim needs a second request, with the script itself.
    expect((await waits()) - before).toBeLessThanOrEqual(3);
  });

  it('survive the death of the primary if the replica must have them, and only then', async () => {
    const actionId = randomUUID();
    const safe = firstPositions(replicationOf(config).replicas);
    const first = await eventually('the replica has the claim', () => safe.claim(claimOf(actionId, 0)));
    expect(first).toEqual({ kind: 'claimed', first: [0] });

    servers.replication.hang();
    const forgotten = randomUUID();
    expect(await firstPositions(0).claim(claimOf(forgotten, 0))).toMatchObject({ kind: 'claimed' });
    const unsure = randomUUID();
    const refusal: unknown = await safe.claim(claimOf(unsure, 0)).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(RedisError);
    expect(refusal).toMatchObject({ code: 'REDIS_UNAVAILABLE', retryable: true, fault: 'election' });
    expect(String(refusal)).toContain('0 of the required 1 replicas have the write');

    await servers.kill('primary');
    const alone = firstPositions(0);
    const second = await eventually('the sentinel has made the replica the primary', () =>
      alone.claim(claimOf(actionId, 1)).catch(() => undefined),
    );
    expect(second).toEqual({ kind: 'claimed', first: [0] });
    // Its first position was confirmed by the dead primary alone, so the second one takes its place.
    const lost: ClaimResult = await alone.claim(claimOf(forgotten, 1));
    expect(lost).toEqual({ kind: 'claimed', first: [1] });
    // A batch that waits for its claim claims again.
    expect(await alone.claim(claimOf(unsure, 0))).toEqual({ kind: 'claimed', first: [0] });
    await expect(safe.claim(claimOf(unsure, 1))).rejects.toMatchObject({ fault: 'election' });
  });
});

describe('a client that asks sentinels', () => {
  it('fails at once while no sentinel answers, and returns when one does', async () => {
    await servers.kill('sentinel');
    redis.disconnect(true);
    await eventually('the client has asked the sentinel', () => redis.status === 'end');
    await expect(redis.ping()).rejects.toThrow('Connection is closed');
    await expect(connectRedis(config, silentLogger())).rejects.toMatchObject({
      code: 'REDIS_UNAVAILABLE',
      fault: 'unreachable',
    });
    await servers.resume('sentinel');
    expect(await eventually('an answer', () => redis.ping())).toBe('PONG');
  });
});
