import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { encodeEntities, entityBatchEncoder, MESSAGES } from '@bulk/contracts';
import type { ActionStatus } from '@bulk/domain';
import { connectRedis, redisConfigSchema, releaseFirstPositions, type Redis } from '@bulk/redis';
import { loadConfig, silentLogger } from '@bulk/runtime';
import { EndedActions } from '../src/application/ended-actions.ts';
import { encodeRetryHeaders } from '../src/retry/retry-headers.ts';
import { entity, HandlerHarness, idsIn, PARTITIONS, type GivenBatch } from './harness.ts';

const MARGIN = { REDELIVERY_MARGIN_MS: '100' };

let harness: HandlerHarness;
let redis: Redis;
let prefix: string;
beforeEach(async () => {
  harness = await HandlerHarness.create(MARGIN);
  prefix = harness.installation.env['REDIS_PREFIX'] ?? '';
  redis = await connectRedis(loadConfig(redisConfigSchema, harness.installation.env), silentLogger());
});
afterEach(async () => {
  redis.disconnect();
  await harness.installation.dispose();
});

/** Builds a UUID of version 7 for an action that was created `ageMs` ago. */
function newActionId(ageMs: number): string {
  const time = (Date.now() - ageMs).toString(16).padStart(12, '0');
  return `${time.slice(0, 8)}-${time.slice(8)}-7${randomUUID().slice(15)}`;
}
const batchOf = (actionId: string, actionType: string, entities: GivenBatch['entities']): GivenBatch => ({
  actionId,
  batchNo: 0,
  partition: 0,
  actionType,
  entities,
});
/** Stores what the other services store of an action. */
async function givenAction(actionId: string, status: ActionStatus): Promise<void> {
  await harness.givenStagedBatch(actionId, 0, 0, [entity(0, 'x', {})]);
  await harness.database.actions.updateOne({ _id: actionId }, { $set: { status } });
}
const keysOf = (): Promise<string[]> => redis.keys(`${prefix}firsts:*`);

describe('a consumer group that starts from the beginning of a lane', () => {
  it('applies, claims and reports no batch of an ended action', async () => {
    const [made, gone, last] = idsIn(0, 3) as [string, string, string];
    const [creation, update, deletion, later] = Array.from({ length: 4 }, () => newActionId(1_000)) as [
      string,
      string,
      string,
      string,
    ];
    await harness.publish(
      batchOf(creation, 'create', [
        entity(0, made, { lastName: 'New' }),
        entity(1, gone, { lastName: 'New' }),
      ]),
      batchOf(update, 'update', [entity(0, made, { lastName: 'After' }), entity(1, gone, { city: 'Bonn' })]),
      batchOf(deletion, 'delete', [entity(0, gone, {})]),
    );
    await harness.start();
    await harness.awaitResults(3, creation, update, deletion);
    await harness.stop();
    for (const actionId of [creation, update, deletion]) await givenAction(actionId, 'completed');
    // Time passes: the tombstone and the first positions are gone.
    await harness.database.entities('contacts').deleteMany({ deletedAt: { $exists: true } });
    await releaseFirstPositions(redis, prefix, [creation, update, deletion], PARTITIONS);
    const before = await harness.contacts();

    await givenAction(later, 'queued');
    await harness.publish(batchOf(later, 'create', [entity(0, last, { lastName: 'Last' })]));
    await harness.rewind();
    await harness.start();
    await harness.awaitResults(1, later);
    expect(await harness.resultsOf(creation, update, deletion)).toHaveLength(3);
    expect((await harness.contacts()).filter(({ id }) => id !== last)).toEqual(before);
    expect(await keysOf()).toEqual([`${prefix}firsts:${later}:0`]);
    expect(harness.deadLetters.messages).toEqual([]);
  });

  it('drops the batches of ended actions from retry topics', async () => {
    const [id, last] = idsIn(0, 2) as [string, string];
    await harness.givenContacts([id, last]);
    const [ended, open] = [newActionId(1_000), newActionId(1_000)];
    await givenAction(ended, 'cancelled');
    await givenAction(open, 'processing');
    const waiting = await Promise.all(
      [
        { actionId: ended, name: id },
        { actionId: open, name: last },
      ].map(async ({ actionId, name }, offset) => {
        const identity = {
          actionId,
          accountId: 'acme',
          actionType: 'update',
          entityType: 'contact',
          lane: 'normal',
        } as const;
        const entities = [entity(0, name, { lastName: 'After' })];
        const content = entityBatchEncoder(
          identity,
          {},
        )({
          batchNo: 0,
          entities: encodeEntities(entities),
        });
        const topic = harness.installation.topics.entityBatches.normal;
        const message = {
          topic,
          partition: 0,
          offset,
          key: Buffer.from(actionId),
          value: await harness.codec.encode(topic, MESSAGES.entityBatch.schema.parse(content)),
          headers: {},
        };
        const progress = {
          attempts: 1,
          faults: 0,
          isolated: false,
          successes: [],
          others: [],
          requests: [],
        };
        const at = Date.now();
        return {
          ...message,
          headers: encodeRetryHeaders({
            message,
            postponed: 1,
            firstTriedAt: at,
            notBefore: at,
            progress,
            effects: [],
            changes: [],
          }),
        };
      }),
    );
    await harness.producer.forward(
      harness.installation.topics.retries.short,
      waiting.map(({ key, value, partition, headers }) => ({ key, value, partition, headers })),
    );
    await harness.start();
    await harness.awaitResults(1, open);
    expect(await harness.resultsOf(ended)).toEqual([]);
    expect(await harness.contact(id)).toMatchObject({ lastName: 'Before', version: 1 });
  });

  it('applies a replay after the end of its action, until the outcomes of the replay are logged', async () => {
    const [id, last] = idsIn(0, 2) as [string, string];
    await harness.givenContacts([id, last]);
    const [ended, open] = [newActionId(1_000), newActionId(1_000)];
    await givenAction(ended, 'completed');
    await givenAction(open, 'processing');
    const batch = batchOf(ended, 'update', [entity(0, id, { lastName: 'After' })]);
    await harness.publish({ ...batch, generation: 1 });
    await harness.start();
    const [replay] = await harness.awaitResults(1, ended);
    expect(replay).toMatchObject({ generation: 1, outcomes: [{ status: 'success' }] });
    await harness.stop();

    await harness.database.actionLogs.insertOne({
      _id: `${ended}:0`,
      actionId: ended,
      batchNo: 0,
      partition: 0,
      firstPosition: 0,
      lastPosition: 0,
      counts: { success: 1, failure: 0, skipped: 0 },
      outcomes: [],
      source: { partition: 0, offset: 0 },
      at: new Date(),
      generation: 1,
    });
    await harness.publish(batchOf(open, 'update', [entity(0, last, { lastName: 'After' })]));
    await harness.rewind();
    await harness.start();
    await harness.awaitResults(1, open);
    expect(await harness.resultsOf(ended)).toHaveLength(1);
  });
});

describe('EndedActions', () => {
  it('queries MongoDB once per margin while an action runs, and never while it is young or after its end', async () => {
    const looks: unknown[] = [];
    const database = await harness.installation.database((command) => {
      if (command['find'] === 'actions') looks.push(command);
    });
    let ahead = 0;
    const actions = new EndedActions(database, {
      marginMs: 60_000,
      now: () => new Date(Date.now() + ahead),
    });
    const actionId = newActionId(0);
    await givenAction(actionId, 'processing');
    const ask = (): Promise<boolean> =>
      actions.isRepetition({ identity: { actionId }, batchNo: 0, generation: 0 });

    expect([await ask(), await ask(), looks.length]).toEqual([false, false, 0]);
    ahead = 61_000;
    expect([await ask(), await ask(), looks.length]).toEqual([false, false, 1]);
    await harness.database.actions.updateOne({ _id: actionId }, { $set: { status: 'completed' } });
    expect([await ask(), looks.length]).toEqual([false, 1]);
    ahead = 122_000;
    expect([await ask(), await ask(), looks.length]).toEqual([true, true, 2]);
    ahead = 300_000;
    expect([await ask(), looks.length]).toEqual([true, 2]);
  });

  it('does not treat a batch of an unknown action as a repetition', async () => {
    const actions = new EndedActions(harness.database, { marginMs: 100, now: () => new Date() });
    const identity = { actionId: randomUUID() };
    expect(await actions.isRepetition({ identity, batchNo: 0, generation: 0 })).toBe(false);
  });
});
