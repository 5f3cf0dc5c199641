import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { loadConfig, silentLogger } from '@bulk/runtime';
import { eventually, testUrls } from '@bulk/testing';
import { OwnRedis } from '@bulk/testing/own-redis';
import { connectRedis } from '../src/client.ts';
import { RedisError } from '../src/errors.ts';
import { redisConfigSchema } from '../src/config.ts';
import { FirstPositions, releaseFirstPositions, type BatchClaim } from '../src/first-positions.ts';
import type { Redis } from '../src/index.ts';

const prefix = `first-positions-${randomBytes(4).toString('hex')}:`;
let redis: Redis;
let firsts: FirstPositions;

beforeAll(async () => {
  redis = await connectRedis(loadConfig(redisConfigSchema, testUrls()), silentLogger());
  firsts = new FirstPositions(redis, prefix, 60);
});
afterAll(async () => {
  const keys = await redis.keys(`${prefix}*`);
  if (keys.length > 0) await redis.del(...keys);
  redis.disconnect();
});

let action = 0;
const claimOf = (
  batchNo: number,
  offset: number,
  entities: [number, string][],
  actionId: string,
): BatchClaim => ({
  actionId,
  batchNo,
  generation: 0,
  partition: 2,
  offset,
  entities: entities.map(([position, id]) => ({ position, id })),
});
const newAction = (): string => `a${(action += 1)}`;

describe('FirstPositions.claim', () => {
  it('returns the first position of each entity, within a batch and across batches', async () => {
    const id = newAction();
    const one = await firsts.claim(claimOf(0, 10, [[0, 'x'], [3, 'y'], [5, 'x']], id)); // prettier-ignore
    expect(one).toEqual({ kind: 'claimed', first: [0, 3, 0] });
    const two = await firsts.claim(claimOf(1, 11, [[7, 'y'], [8, 'z']], id)); // prettier-ignore
    expect(two).toEqual({ kind: 'claimed', first: [3, 8] });
  });

  it('recognises a redelivered batch, whose positions stay its own', async () => {
    const id = newAction();
    const claim = claimOf(0, 10, [[0, 'x'], [1, 'x']], id); // prettier-ignore
    const first = await firsts.claim(claim);
    expect(await firsts.claim(claim)).toEqual(first);
  });

  it('recognises the second copy of a batch that was published twice', async () => {
    const id = newAction();
    await firsts.claim(claimOf(4, 10, [[0, 'x']], id));
    expect(await firsts.claim(claimOf(4, 12, [[0, 'x']], id))).toEqual({
      kind: 'published-twice',
      firstOffset: 10,
    });
  });

  it('does not treat a replay as a second copy, and keeps the first positions', async () => {
    const id = newAction();
    await firsts.claim(claimOf(0, 10, [[0, 'x']], id));
    await firsts.claim(claimOf(1, 11, [[1, 'y']], id));
    // The other entity of batch 0 was never claimed, as if its first message could not be read in full.
    const replay = { ...claimOf(0, 12, [[0, 'x'], [2, 'y']], id), generation: 1 }; // prettier-ignore
    const claimed = { kind: 'claimed', first: [0, 1] };
    expect(await firsts.claim(replay)).toEqual(claimed);
    expect(await firsts.claim(replay)).toEqual(claimed);
    expect(await firsts.claim({ ...replay, offset: 13 })).toEqual({
      kind: 'published-twice',
      firstOffset: 12,
    });
    expect(await firsts.claim({ ...replay, offset: 14, generation: 2 })).toEqual(claimed);
    expect(await firsts.claim(claimOf(0, 10, [[0, 'x']], id))).toEqual({ kind: 'claimed', first: [0] });
  });

  it('separates actions, and entity ids that look like batch numbers', async () => {
    const id = newAction();
    await firsts.claim(claimOf(0, 1, [[0, '0'], [1, 'b:0']], id)); // prettier-ignore
    const other = await firsts.claim(claimOf(0, 2, [[0, '0']], newAction()));
    expect(other).toEqual({ kind: 'claimed', first: [0] });
    expect(await firsts.claim(claimOf(1, 3, [[2, 'b:0']], id))).toEqual({ kind: 'claimed', first: [1] });
  });

  it('returns the same as a plain map when an action has thousands of entities and repeats many of them', async () => {
    const id = newAction();
    const model = new Map<string, number>();
    const claims: { claim: BatchClaim; first: number[] }[] = [];
    for (let batchNo = 0, position = 0; batchNo < 120; batchNo += 1) {
      const entities: [number, string][] = [];
      for (let i = 0; i < 100; i += 1, position += 1) {
        // A third of the entities repeat an entity of the action, of this batch or of an earlier one.
        const repeats = position > 0 && position % 3 === 0;
        entities.push([position, `contact-${repeats ? (position * 7_919) % position : position}`]);
      }
      const first = entities.map(([at, name]) => {
        if (!model.has(name)) model.set(name, at);
        return model.get(name) ?? -1;
      });
      claims.push({ claim: claimOf(batchNo, 1_000 + batchNo, entities, id), first });
    }
    for (const { claim, first } of claims)
      expect(await firsts.claim(claim)).toEqual({ kind: 'claimed', first });
    for (const { claim, first } of claims)
      expect(await firsts.claim(claim)).toEqual({ kind: 'claimed', first });
    expect(model.size).toBeGreaterThan(5_000);
  });

  it('stores a batch of 1,000 entities, and positions up to the highest of an int', async () => {
    const id = newAction();
    const highest = 2_147_483_647;
    const entities = Array.from({ length: 1_000 }, (_, i): [number, string] => [highest - 999 + i, `c${i}`]);
    const first = entities.map(([position]) => position);
    expect(await firsts.claim(claimOf(0, 1, entities, id))).toEqual({ kind: 'claimed', first });
    expect(await firsts.claim(claimOf(1, 2, entities.slice(0, 1), id))).toEqual({
      kind: 'claimed',
      first: first.slice(0, 1),
    });
  });

  it('gives each claim of one turn its own result, and fails only the claim that Redis refuses', async () => {
    const [one, two, broken] = [newAction(), newAction(), newAction()];
    await redis.set(`${prefix}firsts:${broken}:2`, 'not a hash');
    await firsts.claim(claimOf(7, 3, [[0, 'x']], two));
    const claims = await Promise.allSettled([
      firsts.claim(claimOf(0, 10, [[0, 'x'], [1, 'y'], [2, 'x']], one)), // prettier-ignore
      firsts.claim(claimOf(0, 10, [[0, 'x']], broken)),
      firsts.claim(claimOf(1, 11, [[3, 'z'], [4, 'y']], one)), // prettier-ignore
      firsts.claim(claimOf(7, 4, [[0, 'x']], two)),
    ]);
    expect(claims).toEqual([
      { status: 'fulfilled', value: { kind: 'claimed', first: [0, 1, 0] } },
      { status: 'rejected', reason: expect.any(RedisError) },
      { status: 'fulfilled', value: { kind: 'claimed', first: [3, 1] } },
      { status: 'fulfilled', value: { kind: 'published-twice', firstOffset: 3 } },
    ]);
  });

  it('still claims when Redis has lost its scripts, as after a restart', async () => {
    const id = newAction();
    await firsts.claim(claimOf(0, 10, [[0, 'x']], id));
    await redis.script('FLUSH');
    const claims = [1, 2, 3].map((batchNo) =>
      firsts.claim(claimOf(batchNo, 10 + batchNo, [[batchNo, 'x']], id)),
    );
    for (const claim of claims) expect(await claim).toEqual({ kind: 'claimed', first: [0] });
  });

  it('sends the script once, and then only its digest', async () => {
    const id = newAction();
    const own = await OwnRedis.start();
    try {
      const alone = await eventually('Redis answers', () =>
        connectRedis(loadConfig(redisConfigSchema, { REDIS_URL: own.url }), silentLogger()).catch(
          () => undefined,
        ),
      );
      const calls = async (command: string): Promise<number> =>
        Number(
          new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(await alone.info('commandstats'))?.[1] ?? 0,
        );
      const there = new FirstPositions(alone, prefix, 60);
      for (let batchNo = 0; batchNo < 5; batchNo += 1)
        await there.claim(claimOf(batchNo, batchNo, [[batchNo, 'x']], id));
      expect(await calls('eval')).toBe(1);
      expect(await calls('evalsha')).toBe(5);
      alone.disconnect();
    } finally {
      await own.stop();
    }
  });

  it('finds every entity when an action grows beyond half a million entities in a partition', async () => {
    const id = newAction();
    // As many records as there were, in buckets that are empty.
    await redis.hset(`${prefix}firsts:${id}:2`, 'n', 509_000);
    const claims = Array.from({ length: 50 }, (_, batchNo) =>
      claimOf(
        batchNo,
        batchNo,
        Array.from({ length: 100 }, (_each, i): [number, string] => [batchNo * 100 + i, `${batchNo}-${i}`]),
        id,
      ),
    );
    const first = (claim: BatchClaim) => claim.entities.map(({ position }) => position);
    for (const claim of [...claims, ...claims])
      expect(await firsts.claim(claim)).toEqual({ kind: 'claimed', first: first(claim) });
    expect(await redis.hget(`${prefix}firsts:${id}:2`, 'n')).toBe('514000');
  });

  it('takes at most 30 bytes per entity, however long the ids are', async () => {
    const id = newAction();
    const count = 20_000;
    for (let batchNo = 0; batchNo < count / 100; batchNo += 1) {
      const entities = Array.from({ length: 100 }, (_, i): [number, string] => {
        const position = batchNo * 100 + i;
        return [position, `first-name.last-name-${position}@customer-of-the-crm.example.com`];
      });
      await firsts.claim(claimOf(batchNo, batchNo, entities, id));
    }
    const bytes = await redis.memory('USAGE', `${prefix}firsts:${id}:2`, 'SAMPLES', 0);
    expect(Number(bytes) / count).toBeGreaterThan(16);
    expect(Number(bytes) / count).toBeLessThan(30);
  });

  it('forgets an action after its lifetime', async () => {
    const id = newAction();
    await firsts.claim(claimOf(0, 1, [[0, 'x']], id));
    const ttl = await redis.ttl(`${prefix}firsts:${id}:2`);
    expect(ttl).toBeGreaterThan(0);
    expect(ttl).toBeLessThanOrEqual(60);
  });

  it('fails with a retryable error when Redis is unavailable', async () => {
    const away = {
      ...loadConfig(redisConfigSchema, {}),
      REDIS_URL: 'redis://127.0.0.1:1',
      REDIS_TIMEOUT_MS: 200,
    };
    const refusal = await connectRedis(away, silentLogger()).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(RedisError);
    expect(refusal).toMatchObject({
      code: 'REDIS_UNAVAILABLE',
      retryable: true,
      message: expect.stringContaining('ECONNREFUSED'),
    });
  });
});

describe('releaseFirstPositions', () => {
  it('removes the positions of the given actions in every partition, and of no other action', async () => {
    const [one, two, kept] = [newAction(), newAction(), newAction()];
    for (const id of [one, two, kept]) {
      for (const partition of [0, 1, 2])
        await firsts.claim({ ...claimOf(partition, 10, [[partition, 'x']], id), partition });
    }
    await releaseFirstPositions(redis, prefix, [one, two], 3);
    await releaseFirstPositions(redis, prefix, [one, two], 3);
    expect(await redis.keys(`${prefix}firsts:${one}:*`)).toEqual([]);
    expect(await redis.keys(`${prefix}firsts:${two}:*`)).toEqual([]);
    expect(await redis.keys(`${prefix}firsts:${kept}:*`)).toHaveLength(3);
  });
});
