import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { ActionDocument } from '@bulk/mongo';
import { connectRedis, FirstPositions, redisConfigSchema, type Redis } from '@bulk/redis';
import { loadConfig, silentLogger } from '@bulk/runtime';
import { eventually } from '@bulk/testing';
import { FirstPositionRelease } from '../src/clean-up/first-position-release.ts';
import { FirstPositionRenewal } from '../src/clean-up/first-position-renewal.ts';
import { IntakeHarness, PARTITIONS } from './harness.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

let harness: IntakeHarness;
let redis: Redis;
let prefix: string;
beforeAll(async () => {
  harness = await IntakeHarness.create();
  prefix = harness.installation.env['REDIS_PREFIX'] ?? '';
  redis = await connectRedis(loadConfig(redisConfigSchema, harness.installation.env), silentLogger());
});
afterAll(async () => {
  redis.disconnect();
  await harness.installation.dispose();
});

const release = (): FirstPositionRelease =>
  new FirstPositionRelease(harness.database, {
    redis,
    prefix,
    partitions: PARTITIONS,
    releaseAfterMs: MINUTE_MS,
    forgottenAfterMs: 24 * HOUR_MS,
    now: () => new Date(),
    signal: new AbortController().signal,
  });

/** Claims two partitions of an action, as handlers do. */
async function claim(actionId: string): Promise<void> {
  const firsts = new FirstPositions(redis, prefix, 600);
  for (const partition of [0, 2]) {
    const entities = [{ position: partition, id: `c${partition}` }];
    await firsts.claim({ actionId, batchNo: partition, generation: 0, partition, offset: 1, entities });
  }
}

/** Stores an accepted action that ended this long ago; `undefined` if it has not ended. */
async function givenAction(
  endedAgoMs: number | undefined,
  codes: ActionDocument['codes'] = {},
): Promise<string> {
  const actionId = randomUUID();
  await harness.accepted(actionId, 20);
  await claim(actionId);
  if (endedAgoMs !== undefined) {
    const at = new Date(Date.now() - endedAgoMs);
    await harness.database.actions.updateOne(
      { _id: actionId },
      { $set: { status: 'completed', finishedAt: at, updatedAt: at, codes } },
    );
  }
  return actionId;
}

const keysOf = async (actionId: string): Promise<number> =>
  (await redis.keys(`${prefix}firsts:${actionId}:*`)).length;

describe('the release of first positions', () => {
  it('removes those of actions that ended before the margin, once, and of no other action', async () => {
    const ended = await givenAction(2 * MINUTE_MS);
    const just = await givenAction(MINUTE_MS / 2);
    const unfinished = await givenAction(undefined);
    expect(await release().sweep()).toBe(1);
    expect([await keysOf(ended), await keysOf(just), await keysOf(unfinished)]).toEqual([0, 2, 2]);
    expect(await release().sweep()).toBe(0);
  });

  it('keeps those of an action with dead letters until its replays are counted or have expired', async () => {
    const dead = await givenAction(2 * HOUR_MS, { DEAD_LETTERED: 10 });
    const forgotten = await givenAction(25 * HOUR_MS, { DEAD_LETTERED: 10 });
    expect(await release().sweep()).toBe(1);
    expect([await keysOf(dead), await keysOf(forgotten)]).toEqual([2, 0]);

    const counted = { $set: { codes: {}, updatedAt: new Date() } };
    await harness.database.actions.updateOne({ _id: dead }, counted);
    expect(await release().sweep()).toBe(0);
    await harness.database.actions.updateOne(
      { _id: dead },
      { $set: { updatedAt: new Date(Date.now() - 2 * MINUTE_MS) } },
    );
    expect(await release().sweep()).toBe(1);
    expect(await keysOf(dead)).toBe(0);
  });

  it('catches up in one sweep with more actions than one round takes', async () => {
    const [model] = await harness.database.actions.find().limit(1).toArray();
    const at = new Date(Date.now() - HOUR_MS);
    const many = Array.from({ length: 1_100 }, (): ActionDocument => {
      const { nextBatch, done, lease } = model!.dispatch;
      const dispatch = { nextBatch, done, lease, firstPositions: true } as const;
      return { ...model!, _id: randomUUID(), finishedAt: at, updatedAt: at, codes: {}, dispatch };
    });
    await harness.database.actions.insertMany(many);
    await claim(many.at(-1)!._id);
    expect(await release().sweep()).toBe(1_100);
    expect(await keysOf(many.at(-1)!._id)).toBe(0);
  });

  it('runs by itself after intake has started', async () => {
    const ended = await givenAction(MINUTE_MS);
    await harness.start({ REDELIVERY_MARGIN_MS: '1000' });
    await eventually('the first positions are released', async () => (await keysOf(ended)) === 0);
  });
});

describe('the renewal of first positions', () => {
  const longestLeft = async (actionId: string): Promise<number> =>
    Math.max(...(await Promise.all([0, 2].map((i) => redis.ttl(`${prefix}firsts:${actionId}:${i}`)))));
  const paused = async (codes: ActionDocument['codes'] = {}): Promise<string> => {
    const actionId = await givenAction(undefined);
    await harness.database.actions.updateOne(
      { _id: actionId },
      { $set: { status: 'paused', 'dispatch.nextBatch': 1, codes } },
    );
    return actionId;
  };

  it('keeps those of a paused action alive, and of no action that has ended', async () => {
    const [waiting, withDeadLetters, ended] = [
      await paused(),
      await paused({ DEAD_LETTERED: 1 }),
      await givenAction(MINUTE_MS / 2),
    ];
    let at = 0;
    const renewal = new FirstPositionRenewal(harness.database, {
      redis,
      prefix,
      partitions: PARTITIONS,
      lifetimeMs: 24 * HOUR_MS,
      monotonic: () => at,
      signal: new AbortController().signal,
    });
    expect(await renewal.renewIfDue()).toBeGreaterThanOrEqual(2);
    expect(await longestLeft(waiting)).toBeGreaterThan(600);
    expect(await longestLeft(withDeadLetters)).toBeGreaterThan(600);
    expect(await longestLeft(ended)).toBeLessThanOrEqual(600);

    await redis.expire(`${prefix}firsts:${waiting}:0`, 100);
    await redis.expire(`${prefix}firsts:${waiting}:2`, 100);
    at = 5 * HOUR_MS;
    expect(await renewal.renewIfDue()).toBe(0);
    at = 6 * HOUR_MS;
    await renewal.renewIfDue();
    expect(await longestLeft(waiting)).toBeGreaterThan(600);
  });

  it('runs by itself after intake has started', async () => {
    const waiting = await paused();
    await harness.start();
    await eventually('the first positions are renewed', async () => (await longestLeft(waiting)) > 600);
  });
});
