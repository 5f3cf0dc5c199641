import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { encodeEntities, MESSAGES, type BatchResult } from '@bulk/contracts';
import { OUTCOME_CODES, type Entity } from '@bulk/domain';
import { decodeRetryHeaders, hasPlace } from '@bulk/handler/retry-headers';
import { kafkaConfigSchema, type KafkaConfig, type MessageCodec } from '@bulk/kafka';
import { EPOCH_PLACES, readOpenEpoch, type ActionDocument, type Database } from '@bulk/mongo';
import {
  claimedPlaces,
  connectRedis,
  FirstPositions,
  redisConfigSchema,
  UNKNOWN_PLACE,
  type Redis,
} from '@bulk/redis';
import { loadConfig, silentLogger } from '@bulk/runtime';
import { acceptedAction, eventually, TestInstallation, type TopicReader } from '@bulk/testing';
import { LostBatchPublisher } from '../src/operator/epoch/lost-batch-publisher.ts';
import { Restaging } from '../src/operator/epoch/restage.ts';
import { rebuildKafka, type RebuildOptions, type Rebuilt } from '../src/operator/epoch/rebuild.ts';

jest.setTimeout(60_000);

const TTL_SECONDS = 600;
let installation: TestInstallation;
let database: Database;
let redis: Redis;
let redisPrefix: string;
let config: KafkaConfig;
let codec: MessageCodec;
let lane: TopicReader;
let results: TopicReader;
let firsts: FirstPositions;

beforeAll(async () => {
  installation = await TestInstallation.create('rebuild');
  database = await installation.database();
  codec = await installation.codec();
  config = loadConfig(kafkaConfigSchema, installation.env);
  redis = await connectRedis(loadConfig(redisConfigSchema, installation.env), silentLogger());
  redisPrefix = installation.env['REDIS_PREFIX']!;
  firsts = new FirstPositions(redis, redisPrefix, TTL_SECONDS);
  lane = await installation.reader([installation.topics.entityBatches.normal]);
  results = await installation.reader([installation.topics.results]);
  installation.onDispose(async () => {
    const keys = await redis.keys(`${redisPrefix}*`);
    if (keys.length > 0) await redis.del(...keys);
    redis.disconnect();
  });
});
afterAll(() => installation.dispose());
// Each test starts with topics that no service has used, as after their loss.
beforeEach(async () => {
  const { db, actions, stagedBatches, actionLogs } = database;
  await Promise.all([
    db.collection('installation').deleteMany({}),
    actions.deleteMany({}),
    stagedBatches.deleteMany({}),
    actionLogs.deleteMany({}),
  ]);
  const keys = await redis.keys(`${redisPrefix}*`);
  if (keys.length > 0) await redis.del(...keys);
});

/** A staged batch of two positions. */
interface GivenBatch {
  readonly partition: number;
  /** Where handler has seen it; absent: nothing in Redis says so. */
  readonly place?: number;
  /** Whether it has outcomes, and with which code. */
  readonly logged?: 'success' | 'dead-lettered';
  /** @default two entities of the batch's own */
  readonly ids?: readonly string[];
  /** Whether its second position has a fault. */
  readonly isFaulty?: boolean;
}

/** Stores a running action whose batches are published, unless `dispatch` says otherwise. */
async function given(
  batches: readonly GivenBatch[],
  fields: Partial<ActionDocument> = {},
  queuedAt = new Date(0),
): Promise<string> {
  const _id = randomUUID();
  const total = batches.length * 2;
  await database.actions.insertOne(
    acceptedAction({ _id, total, batchCount: batches.length, ...fields }, queuedAt),
  );
  for (const [batchNo, { partition, place, logged, ids, isFaulty }] of batches.entries()) {
    const entities = [0, 1].map((i): Entity => {
      const position = batchNo * 2 + i;
      const fault = { code: OUTCOME_CODES.INVALID_ROW, message: 'a fault' };
      return { position, id: ids?.[i] ?? `e${position}`, ref: null, fields: {}, ...(isFaulty === true && i === 1 ? { fault } : {}) }; // prettier-ignore
    });
    await database.stagedBatches.insertOne({
      _id: `${_id}:${batchNo}`,
      actionId: _id,
      batchNo,
      partition,
      entities: encodeEntities(entities),
    });
    if (place !== undefined)
      await firsts.claim({ actionId: _id, batchNo, generation: 0, partition, offset: place, entities });
    if (logged !== undefined) await log(_id, batchNo, partition, entities, logged);
  }
  return _id;
}

async function log(
  actionId: string,
  batchNo: number,
  partition: number,
  entities: readonly Entity[],
  logged: 'success' | 'dead-lettered',
): Promise<void> {
  const status = logged === 'success' ? 'success' : 'failure';
  const code = logged === 'success' ? null : OUTCOME_CODES.DEAD_LETTERED;
  await database.actionLogs.insertOne({
    _id: `${actionId}:${batchNo}`,
    actionId,
    batchNo,
    partition,
    firstPosition: entities[0]!.position,
    lastPosition: entities[1]!.position,
    counts: { success: 0, failure: 0, skipped: 0, [status]: 2 },
    outcomes: entities.map(({ position, id: entityId, ref }) => ({ position, entityId, ref, status, code, message: null, attempts: 1 })),
    source: { partition: 0, offset: batchNo },
    at: new Date(0),
  }); // prettier-ignore
}

function rebuild(options?: RebuildOptions): Promise<Rebuilt> {
  const parts = { database, redis, redisPrefix, config };
  return rebuildKafka(parts, new AbortController().signal, options);
}

/** Waits for messages of the lane, and returns the batches of these actions in their order, with their old places. */
async function laneOf(count: number, ...actionIds: readonly string[]): Promise<[string, number, number?][]> {
  return eventually('the lane has the batches', () => {
    const found = lane.messages
      .map(({ partition, message: { headers = {}, value, key, offset } }): [string, number, number?] => {
        const name: [string, number] = [String(headers['action-id']), Number(headers['batch-no'])];
        const received = { topic: 'lane', partition, offset: Number(offset), key, value, headers };
        if (!hasPlace(headers)) return name;
        return [...name, decodeRetryHeaders(received).message.offset + EPOCH_PLACES];
      })
      .filter(([actionId]) => actionIds.includes(actionId));
    return found.length >= count ? found : undefined;
  });
}

async function unknownOf(count: number, actionId: string): Promise<BatchResult[]> {
  return eventually('the unknown outcomes are reported', async () => {
    const all = await Promise.all(
      results.messages.map(({ message }) => codec.decode(MESSAGES.batchResult, message.value)),
    );
    const found = all.filter((result) => result.actionId === actionId);
    return found.length >= count ? found : undefined;
  });
}

describe('rebuildKafka', () => {
  it('puts the batches that were seen first, in the order of their places, and then the others by action', async () => {
    const later = await given([{ partition: 0, place: 5 }, { partition: 0 }], {}, new Date(2_000));
    const earlier = await given([{ partition: 0, place: 7 }, { partition: 0 }], {}, new Date(1_000));
    expect(await rebuild()).toEqual({ epoch: 1, actions: 2, again: 2, published: 2, unknown: 0 });
    expect(await laneOf(4, later, earlier)).toEqual([
      [later, 0, 5],
      [earlier, 0, 7],
      [earlier, 1],
      [later, 1],
    ]);
    await expect(rebuild()).rejects.toMatchObject({ code: 'NOT_REPLACED' });
  });

  it('does not refuse an action whose only outcome in a partition is a batch dead-lettered before its claim', async () => {
    const id = await given([
      { partition: 0, logged: 'dead-lettered' },
      { partition: 0 },
      { partition: 1, place: 3 },
    ]);
    expect(await rebuild()).toMatchObject({ again: 1, published: 1, unknown: 0 });
    expect(await laneOf(2, id)).toEqual(
      expect.arrayContaining([
        [id, 2, 3],
        [id, 1],
      ]),
    );
  });

  it('refuses unknown outcomes, names each action and changes nothing, until the operator accepts them', async () => {
    const lost = await given([{ partition: 0, logged: 'success' }, { partition: 0 }]);
    const intact = await given([
      { partition: 1, logged: 'success', place: 1 },
      { partition: 1, place: 2 },
    ]);
    const error: unknown = await rebuild().catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'FIRST_POSITIONS_LOST' });
    expect(String(error)).toContain(`${lost} (account acme): 2 positions in 1 batches`);
    expect(String(error)).toContain(`--accept-unknown ${lost}`);
    expect(String(error)).not.toContain(intact);
    expect(await readOpenEpoch(database)).toBeUndefined();
    expect((await database.actions.findOne({ _id: lost }))?.counts.success).toBe(0);

    expect(await rebuild({ accepted: new Set([lost]) })).toMatchObject({
      again: 1,
      published: 0,
      unknown: 1,
    });
    const [result] = await unknownOf(1, lost);
    expect(result).toMatchObject({ batchNo: 1, source: { partition: 0, offset: UNKNOWN_PLACE } });
    expect(result!.outcomes.map(({ position, status, code }) => [position, status, code])).toEqual([
      [2, 'failure', 'OUTCOME_UNKNOWN'],
      [3, 'failure', 'OUTCOME_UNKNOWN'],
    ]);
    expect(await laneOf(1, intact)).toEqual([[intact, 1, 2]]);
    expect((await database.actions.findOne({ _id: lost }))?.counts.success).toBe(2);
  });

  it('gives only the published batches of a lost partition an unknown outcome', async () => {
    const id = await given(
      [
        { partition: 0, logged: 'success' },
        { partition: 1, logged: 'success', place: 1 },
        { partition: 0 },
        { partition: 1 },
        { partition: 0 },
        { partition: 0 },
      ],
      // The holder of the lease may have published one batch more than it has recorded.
      {
        dispatch: { nextBatch: 4, window: 1, done: false, lease: { owner: 'gone', until: new Date(0) } },
      },
    );
    expect(await rebuild({ accepted: 'all' })).toMatchObject({ again: 0, published: 1, unknown: 2 });
    expect((await unknownOf(2, id)).map(({ batchNo }) => batchNo)).toEqual([2, 4]);
    expect(await laneOf(1, id)).toEqual([[id, 3]]);
    // The dispatch publishes batch 4 as well. handler drops it as a second copy.
    const entities = [{ position: 8, id: 'e8' }];
    const claim = { actionId: id, batchNo: 4, generation: 0, partition: 0, offset: EPOCH_PLACES, entities };
    expect(await firsts.claim(claim)).toMatchObject({ kind: 'published-twice' });
  });

  it('continues an action that ended after the backup if all its published batches have outcomes, and recognises duplicates', async () => {
    const id = await given(
      [
        { partition: 0, logged: 'success', ids: ['x', 'y'] },
        { partition: 0, ids: ['y', 'z'] },
      ],
      { dispatch: { nextBatch: 1, done: false, lease: null } },
    );
    expect(await rebuild()).toEqual({ epoch: 1, actions: 1, again: 0, published: 0, unknown: 0 });
    const entities = [
      { position: 2, id: 'y' },
      { position: 3, id: 'z' },
    ];
    const claim = { actionId: id, batchNo: 1, generation: 0, partition: 0, offset: EPOCH_PLACES, entities };
    expect(await firsts.claim(claim)).toEqual({ kind: 'claimed', first: [1, 3] });
  });

  it('claims no first position for a row with a fault, which changes no entity', async () => {
    const id = await given(
      [
        { partition: 0, logged: 'success', ids: ['x', 'y'], isFaulty: true },
        { partition: 0, ids: ['y', 'x'] },
      ],
      { dispatch: { nextBatch: 1, done: false, lease: null } },
    );
    expect(await rebuild()).toMatchObject({ actions: 1, unknown: 0 });
    const entities = [
      { position: 2, id: 'y' },
      { position: 3, id: 'x' },
    ];
    const claim = { actionId: id, batchNo: 1, generation: 0, partition: 0, offset: EPOCH_PLACES, entities };
    expect(await firsts.claim(claim)).toEqual({ kind: 'claimed', first: [2, 0] });
  });

  it('trusts a Redis without first positions only if the operator or an ended action vouches for it', async () => {
    const id = await given([{ partition: 0 }]);
    await expect(rebuild()).rejects.toMatchObject({ code: 'FIRST_POSITIONS_LOST' });
    const ended = await given([{ partition: 2, logged: 'success', place: 1 }], {
      status: 'completed',
      finishedAt: new Date(),
      dispatch: { nextBatch: 1, done: true, lease: null, firstPositions: true },
    });
    await redis.del(`${redisPrefix}firsts:${ended}:2`);
    await expect(rebuild()).rejects.toMatchObject({ code: 'FIRST_POSITIONS_LOST' });
    expect(await rebuild({ isRedisKept: true })).toMatchObject({ published: 1, unknown: 0 });
    await database.db.collection('installation').deleteMany({});
    await firsts.claim({ actionId: ended, batchNo: 0, generation: 0, partition: 2, offset: 1, entities: [] });
    expect(await rebuild()).toMatchObject({ published: 1, unknown: 0 });
    expect(await laneOf(2, id)).toHaveLength(2);
  });

  it('runs a dry run again, which changes nothing', async () => {
    const id = await given([{ partition: 0, logged: 'success' }, { partition: 0 }], { dryRun: true });
    expect(await rebuild()).toMatchObject({ published: 1, unknown: 0 });
    expect(await laneOf(1, id)).toEqual([[id, 1]]);
  });

  it('remembers what is unknown, and what was accepted, if it is killed before it publishes', async () => {
    const id = await given([{ partition: 0, logged: 'success' }, { partition: 0 }, { partition: 0 }], {
      dispatch: { nextBatch: 2, done: false, lease: null },
    });
    const publish = jest.spyOn(LostBatchPublisher.prototype, 'publish');
    publish.mockRejectedValueOnce(new Error('killed'));
    await expect(rebuild({ accepted: 'all' })).rejects.toThrow('killed');
    publish.mockRestore();
    const { actionLogs } = database;
    expect(await claimedPlaces(redis, redisPrefix, id, await actionLogs.find().toArray())).toEqual([
      UNKNOWN_PLACE,
    ]);
    expect(await rebuild()).toMatchObject({ epoch: 1, again: 0, published: 0, unknown: 1 });
    expect((await unknownOf(1, id)).map(({ batchNo }) => batchNo)).toEqual([1]);
  });
});

describe('Restaging', () => {
  it('verifies the batches that it has cut, also those with rows that have no id', async () => {
    const rows = Array.from({ length: 12 }, () => ({ partition: 0, ids: ['', 'x'] }));
    await given(rows, { status: 'pending', dispatch: { nextBatch: 0, done: false, lease: null } });
    const restaging = new Restaging(database, 7);
    await expect(restaging.verify()).rejects.toMatchObject({ code: 'NOT_RESTAGED' });
    expect(await restaging.run(new AbortController().signal)).toBe(1);
    await restaging.verify();
    const partitions = await database.stagedBatches.distinct('partition');
    expect(partitions.length).toBeGreaterThan(2);
    await restaging.forget();
  });
});
