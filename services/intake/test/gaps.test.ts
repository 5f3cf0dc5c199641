import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { consumerGroups } from '@bulk/contracts';
import { ProduceError, type MessageProducer } from '@bulk/kafka';
import type { ActionDocument } from '@bulk/mongo';
import { silentLogger } from '@bulk/runtime';
import { checkAccounting, eventually, Exposition, LossyProducer } from '@bulk/testing';
import { GapStore } from '../src/dispatch/gap-store.ts';
import { GapSweeper } from '../src/dispatch/gap-sweeper.ts';
import { IntakeHarness, type PublishedBatch } from './harness.ts';
import { Handlers } from './neighbours.ts';

let harness: IntakeHarness;
beforeEach(async () => {
  harness = await IntakeHarness.create();
});
afterEach(() => harness.installation.dispose());

const AFTER_MS = 1_000;
const SWEEPING = { GAP_SWEEP_AFTER_MS: String(AFTER_MS), GAP_SWEEP_CRON: '* * * * * *' };
const NEVER = { GAP_SWEEP_CRON: '0 0 0 29 2 *' };
const stored = async (actionId: string): Promise<ActionDocument> =>
  (await harness.database.actions.findOne({ _id: actionId }))!;
const batchNos = (published: readonly PublishedBatch[]): number[] =>
  published.map(({ batch }) => batch.batchNo).sort((a, b) => a - b);
const dispatched = (actionId: string) =>
  eventually('it is dispatched', async () => (await stored(actionId)).dispatch.done);

async function handlers(): Promise<Handlers> {
  const started = await Handlers.start(harness);
  harness.installation.onDispose(() => started.stop());
  return started;
}

/** Creates a sweeper whose clock is ahead by `ms`. */
function sweeper(
  ms = 10 * AFTER_MS,
  onMissing: (lane: string, batches: number) => void = () => undefined,
  producer = harness.producer,
) {
  const now = (): Date => new Date(Date.now() + ms);
  return new GapSweeper({
    store: new GapStore(harness.database, now),
    kafka: harness.installation.kafka,
    producer,
    topics: harness.installation.topics,
    groups: consumerGroups(harness.installation.env['TOPIC_PREFIX']),
    window: { batches: 4, bytes: 1_000_000 },
    afterMs: AFTER_MS,
    now,
    onMissing,
    log: silentLogger(),
  });
}

/** Counts all outcomes of what has arrived; `missing` batches are left. */
function countedBut(actionId: string, missing: number): Promise<ActionDocument> {
  return eventually(`all but ${missing} are counted`, async () => {
    const action = await stored(actionId);
    return action.countedBatches === action.batchCount - missing ? action : undefined;
  });
}

/**
 * Creates an action whose batches are all recorded as published. Those of partition 1 below batch
 * 12 are lost.
 */
async function withGap(): Promise<{ actionId: string; lost: readonly number[] }> {
  const lossy = new LossyProducer((batchNo, partition) => partition === 1 && batchNo < 12);
  const service = await harness.start(NEVER, { producer: lossy.instead });
  const actionId = randomUUID();
  await harness.accepted(actionId, 300);
  await dispatched(actionId);
  await service.stop();
  expect(lossy.lost.length).toBeGreaterThan(2);
  return { actionId, lost: lossy.lost };
}

describe('batches lost by a confirmed send', () => {
  it('are found exactly and published again, and every position gets one outcome', async () => {
    const lossy = new LossyProducer((batchNo, partition) => partition === 1 && batchNo > 4 && batchNo < 40);
    const service = await harness.start(SWEEPING, { producer: lossy.instead });
    const { _id, batchCount } = await harness.accepted(randomUUID(), 600);
    await handlers();
    await eventually('it completes', async () => (await stored(_id)).status === 'completed');
    expect(lossy.lost.length).toBeGreaterThan(5);
    expect((await checkAccounting(harness.database, _id)).breaches).toEqual([]);
    const published = await harness.published(_id);
    // The lost batches never arrived: every batch is there once.
    expect(batchNos(published)).toEqual(Array.from({ length: batchCount }, (_, i) => i));
    expect(published.every(({ batch }) => !batch.cancelled)).toBe(true);
    for (const { partition, batch } of published) {
      const staged = await harness.database.stagedBatches.findOne({ _id: `${_id}:${batch.batchNo}` });
      const entities = staged!.entities.map(({ fault = null, ...entity }) => ({
        ...entity,
        fault,
        origin: null,
      }));
      expect([partition, batch.entities]).toEqual([staged!.partition, entities]);
    }
    const metrics = await Exposition.scrape(harness.adminPort);
    expect(metrics.sum('bulk_dispatch_missing_batches_total', { lane: 'normal' })).toBe(lossy.lost.length);
    await service.stop();
  });

  it('are found when they fill the whole window, so that the dispatch continues', async () => {
    const lossy = new LossyProducer((batchNo) => batchNo >= 2 && batchNo < 6);
    await harness.start({ ...SWEEPING, DISPATCH_IN_FLIGHT_BATCHES: '4' }, { producer: lossy.instead });
    const { _id, batchCount } = await harness.accepted(randomUUID(), 150);
    await handlers();
    await eventually('it completes', async () => (await stored(_id)).status === 'completed');
    expect(lossy.lost).toEqual([2, 3, 4, 5]);
    expect(batchNos(await harness.published(_id))).toEqual(Array.from({ length: batchCount }, (_, i) => i));
  });

  it('are published as cancelled when the action was cancelled in the meantime', async () => {
    const { actionId, lost } = await withGap();
    await handlers();
    await countedBut(actionId, lost.length);
    await harness.database.actions.updateOne({ _id: actionId }, { $set: { cancelRequestedAt: new Date() } });
    expect(await sweeper().sweep()).toBe(lost.length);
    await eventually('it is cancelled', async () => (await stored(actionId)).status === 'cancelled');
    expect((await checkAccounting(harness.database, actionId)).breaches).toEqual([]);
  });

  it('are published although a send for another action is refused first', async () => {
    const gaps = [await withGap(), await withGap()];
    await handlers();
    for (const { actionId, lost } of gaps) await countedBut(actionId, lost.length);
    let refused: unknown;
    const producer = new Proxy(harness.producer, {
      get: (target, name): unknown => {
        const own: unknown = Reflect.get(target, name, target);
        if (name !== 'send') return typeof own === 'function' ? (own.bind(target) as unknown) : own;
        return (...[topic, messages]: Parameters<MessageProducer['send']>) => {
          refused ??= messages[0]?.key;
          return messages[0]?.key === refused
            ? Promise.reject(new ProduceError(topic, new Error('no leader')))
            : target.send(topic, messages);
        };
      },
    });
    const other = (): number => gaps.find(({ actionId }) => actionId !== refused)!.lost.length;
    expect(await sweeper(10 * AFTER_MS, undefined, producer).sweep()).toBe(other());
    expect(refused).toBeDefined();
    const completed = (actions: number) =>
      eventually(`${actions} complete`, async () => {
        const all = { status: 'completed' as const };
        return (await harness.database.actions.countDocuments(all)) === actions;
      });
    await completed(1);
    // A refused batch is found again when its claim has expired.
    expect(await sweeper(20 * AFTER_MS).sweep()).toBeGreaterThan(0);
    await completed(2);
  });

  it('are published once by several instances, which wait longer after each failed repair', async () => {
    const { actionId, lost } = await withGap();
    const running = await handlers();
    await countedBut(actionId, lost.length);
    await running.stop();
    const found: number[] = [];
    const clocks = [10, 10, 10].map((after) => sweeper(after * AFTER_MS, (_lane, n) => found.push(n)));
    await Promise.all(clocks.map((one) => one.sweep()));
    expect(found.reduce((sum, n) => sum + n, 0)).toBe(lost.length);
    // The batches are in the lane now, unread, so they are not missing.
    expect(await sweeper(100 * AFTER_MS).sweep()).toBe(0);
    const admin = harness.installation.kafka.admin();
    await admin.connect();
    const topic = harness.installation.topics.entityBatches.normal;
    const groupId = consumerGroups(harness.installation.env['TOPIC_PREFIX']).handler.normal;
    const ends = await admin.fetchTopicOffsets(topic);
    // The batches are consumed, but not counted.
    await admin.setOffsets({
      groupId,
      topic,
      partitions: ends.map(({ partition, high }) => ({ partition, offset: high })),
    });
    await admin.disconnect();
    expect(await sweeper(200 * AFTER_MS).sweep()).toBe(lost.length);
    const { sweep } = (await stored(actionId)).dispatch;
    expect(sweep).toMatchObject({ rounds: 2, mark: null });
    expect(sweep!.dueAt.getTime()).toBeGreaterThan(Date.now() + 201 * AFTER_MS);
  });
});

describe('the gap sweeper', () => {
  it('publishes nothing of a slow action whose partitions have not been consumed', async () => {
    const { actionId, lost } = await withGap();
    const before = (await harness.published(actionId)).length;
    for (const ahead of [10, 20, 30]) expect(await sweeper(ahead * AFTER_MS).sweep()).toBe(0);
    await handlers();
    await countedBut(actionId, lost.length);
    expect(await harness.published(actionId)).toHaveLength(before);
    expect(await sweeper(40 * AFTER_MS).sweep()).toBe(lost.length);
  });

  it('publishes nothing before the existing results are counted', async () => {
    const { actionId, lost } = await withGap();
    await handlers();
    await countedBut(actionId, lost.length);
    const { kafka, topics, env } = harness.installation;
    const raw = kafka.producer();
    await raw.connect();
    await raw.send({ topic: topics.results, messages: [{ key: 'k', value: 'a result', partition: 2 }] });
    await raw.disconnect();
    for (const ahead of [10, 20]) expect(await sweeper(ahead * AFTER_MS).sweep()).toBe(0);
    const admin = kafka.admin();
    await admin.connect();
    const groupId = consumerGroups(env['TOPIC_PREFIX']).statsAggregator;
    const partitions = [{ partition: 2, offset: '1' }];
    await admin.setOffsets({ groupId, topic: topics.results, partitions });
    await admin.disconnect();
    expect(await sweeper(30 * AFTER_MS).sweep()).toBe(lost.length);
  });

  it('publishes nothing that waits in a retry topic, of an action that is paused before its last batch, or of one with new outcomes', async () => {
    const { actionId, lost } = await withGap();
    await handlers();
    await countedBut(actionId, lost.length);
    const { actions } = harness.database;
    const postponed = lost.slice(1);
    await actions.updateOne({ _id: actionId }, { $set: { status: 'paused', 'dispatch.done': false } });
    expect(await sweeper(10 * AFTER_MS).sweep()).toBe(0);
    await actions.updateOne(
      { _id: actionId },
      {
        $set: {
          status: 'processing',
          'dispatch.done': true,
          updatedAt: new Date(Date.now() + 20 * AFTER_MS),
        },
      },
    );
    expect(await sweeper(20 * AFTER_MS).sweep()).toBe(0);
    await actions.updateOne({ _id: actionId }, { $set: { 'dispatch.postponed': postponed } });
    expect(await sweeper(30 * AFTER_MS).sweep()).toBe(1);
    await countedBut(actionId, postponed.length);
    expect(await sweeper(60 * AFTER_MS).sweep()).toBe(0);
    // A limit has paused it after its last batch: only the missing outcomes can end it.
    await actions.updateOne(
      { _id: actionId },
      { $set: { status: 'paused', 'dispatch.inFlight': true, 'dispatch.postponed': [] } },
    );
    expect(await sweeper(400 * AFTER_MS).sweep()).toBe(postponed.length);
  });
});
