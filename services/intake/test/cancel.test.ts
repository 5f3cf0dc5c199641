import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { ActionProgress } from '@bulk/contracts';
import { failure } from '@bulk/domain';
import { reconcile, SKIPPED_IN_DISPATCH, type ActionDocument, type ActionLogDocument } from '@bulk/mongo';
import { checkAccounting, eventually, TopicReader } from '@bulk/testing';
import { ActionDispatch, type ActionDispatchOptions } from '../src/dispatch/action-dispatch.ts';
import { DispatchStore } from '../src/dispatch/dispatch-store.ts';
import { dispatcherOf } from './dispatcher.ts';
import { IntakeHarness, type PublishedBatch } from './harness.ts';
import { account } from './neighbours.ts';

let harness: IntakeHarness;
let progress: TopicReader;
beforeEach(async () => {
  harness = await IntakeHarness.create();
  const { kafka, topics } = harness.installation;
  progress = await TopicReader.open(kafka, [topics.progress]);
  harness.installation.onDispose(() => progress.close());
});
afterEach(() => harness.installation.dispose());

const LEASE_MS = 30_000;
const WINDOW = 3;
/** A store whose clock is ahead by `ms`: for it, other owners' leases have expired earlier. */
const storeAhead = (ms = 0) =>
  new DispatchStore(harness.database, LEASE_MS, () => new Date(Date.now() + ms), WINDOW);
const AFTER_LEASE = LEASE_MS + 1_000;
const optionsOf = (store: DispatchStore): ActionDispatchOptions => ({
  store,
  producer: harness.producer,
  topics: harness.installation.topics,
  window: { batches: WINDOW, bytes: 1_000_000 },
  maxInFlight: 1_000,
  maxPostponed: 1_000,
  batchSize: 1,
  onChanged: () => undefined,
  leaseMs: LEASE_MS,
  monotonic: () => performance.now(),
});

/** Dispatches until the action has published or skipped its last batch. */
async function dispatch(actionId: string, store = storeAhead()): Promise<ActionDocument> {
  const one = dispatcherOf(harness, { ...optionsOf(store), concurrency: 4, parallelWindows: 1 });
  one.wake();
  try {
    return await eventually('the dispatch is done', async () => {
      const action = await stored(actionId);
      return action.dispatch.done ? action : undefined;
    });
  } finally {
    await one.stop();
  }
}

async function claim(owner: string, store = storeAhead()): Promise<ActionDispatch> {
  const at = performance.now();
  // What has become due since, such as the end of a lease, is found first.
  await store.findDue();
  const action = (await store.claim(owner))!;
  return new ActionDispatch(action, owner, at, optionsOf(store));
}

const stored = (actionId: string): Promise<ActionDocument> => harness.action(actionId);
const logsOf = (actionId: string): Promise<ActionLogDocument[]> =>
  harness.database.actionLogs.find({ actionId }).sort({ batchNo: 1 }).toArray();
const batchNos = (published: readonly PublishedBatch[]): number[] =>
  published.map(({ batch }) => batch.batchNo).sort((a, b) => a - b);
const cancelled = (actionId: string) =>
  harness.database.actions.updateOne({ _id: actionId }, { $set: { cancelRequestedAt: new Date() } });

const eventsOf = (actionId: string): Promise<ActionProgress[]> => harness.progressIn(progress, actionId);

/**
 * Expects that nothing is left to count, the counts are those of the logs, and times are in order.
 */
async function expectCancelled(
  actionId: string,
  status: 'cancelled' | 'failed' = 'cancelled',
): Promise<ActionDocument> {
  const action = await stored(actionId);
  expect(action).toMatchObject({ status, countedBatches: action.batchCount });
  expect((await checkAccounting(harness.database, actionId)).breaches).toEqual([]);
  expect(await reconcile(harness.database, actionId)).toMatchObject({ drift: [], missing: [], surplus: 0 });
  const times = [action.createdAt, action.queuedAt, action.startedAt, action.finishedAt];
  expect(times.map((time) => time!.getTime())).toEqual(times.map((time) => time!.getTime()).sort());
  expect(action.dispatch).toMatchObject({ done: true, lease: null, nextBatch: action.batchCount });
  return action;
}

describe('a cancelled action', () => {
  it('puts none of its undispatched batches into Kafka, and every one of its 20,000 positions has one outcome', async () => {
    const inFlight = 40;
    const service = await harness.start({
      DISPATCH_IN_FLIGHT_BATCHES: String(inFlight),
      DISPATCH_WINDOW_BATCHES: '10',
      DISPATCH_LEASE_MS: '10000',
    });
    const { _id, batchCount } = await harness.accepted(randomUUID(), 20_000, null, { batchSize: 100 });
    await harness.awaitPublished(_id, inFlight);
    expect((await harness.send('POST', `/bulk-actions/${_id}/cancel`)).body.data).toMatchObject({
      cancelling: true,
    });
    await eventually('the rest is skipped', async () => (await stored(_id)).dispatch.done);
    const before = await harness.published(_id);
    expect(batchNos(before)).toEqual(Array.from({ length: inFlight }, (_, i) => i));
    expect(before.some(({ batch }) => batch.cancelled)).toBe(false);
    const ran = before.flatMap(({ batch }) => batch.entities).length;
    expect(await stored(_id)).toMatchObject({
      status: 'processing',
      finishedAt: null,
      countedBatches: batchCount - inFlight,
      counts: { success: 0, failure: 0, skipped: 20_000 - ran },
    });

    // What was in flight keeps its real outcome, and the last one ends the action.
    await account(harness.database, before);
    const ended = await expectCancelled(_id);
    expect(ended.counts).toEqual({ success: ran, failure: 0, skipped: 20_000 - ran });
    expect(ended.codes).toEqual({ ACTION_CANCELLED: 20_000 - ran });
    expect(await harness.published(_id)).toHaveLength(inFlight);
    const { body } = await harness.get(`/bulk-actions/${_id}/logs?type=skipped&skip=10000&limit=1`);
    expect(body.data).toMatchObject([
      { status: 'skipped', code: 'ACTION_CANCELLED', attempts: 1, ref: null },
    ]);
    await service.stop();
  });

  it('ends at once when none of its batches are in flight, with an event and a due webhook', async () => {
    const { _id, version } = await harness.accepted(randomUUID(), 500, new Date('2999-01-01T00:00:00Z'));
    const dueAt = new Date();
    const callback = { url: 'https://e.com', state: 'waiting', attempts: 0, dueAt } as const;
    await harness.database.actions.updateOne(
      { _id },
      { $set: { callback: { ...callback, owner: null, lastAttemptAt: null, lastError: null } } },
    );
    const service = await harness.start();
    await harness.send('POST', `/bulk-actions/${_id}/cancel`);
    await eventually('it is cancelled', async () => (await stored(_id)).status === 'cancelled');
    const ended = await expectCancelled(_id);
    expect(ended).toMatchObject({ counts: { skipped: 500 }, callback: { state: 'waiting', dueAt } });
    const last = await eventually('its end is reported', async () =>
      (await eventsOf(_id)).find(({ status }) => status === 'cancelled'),
    );
    expect(last).toMatchObject({ version: ended.version, skipped: 500, total: 500 });
    expect(ended.version).toBeGreaterThan(version + 1);
    expect(await harness.published(_id)).toEqual([]);
    const stats = await harness.get(`/bulk-actions/${_id}/stats`);
    expect(stats.body.data).toMatchObject({ status: 'cancelled', percent: 100, skipped: 500 });
    await service.stop();
  });

  it('is counted once when the lease holder dies between logs and count', async () => {
    const { _id } = await harness.accepted(randomUUID(), 500);
    await cancelled(_id);
    const dead = await claim('dead/1');
    const skips = storeAhead().skips;
    expect(await skips.begin(_id, dead.owner, 0)).toBe(true);
    const run = await skips.read(_id, 0, 200);
    const skipped = await skips.log(_id, run);
    expect(skipped.length).toBeGreaterThan(10);

    await dispatch(_id, storeAhead(AFTER_LEASE));
    const ended = await expectCancelled(_id);
    // If the process was only suspended, its next steps change nothing.
    await skips.log(_id, run);
    expect(await skips.advance(_id, dead.owner, run, skipped, ended.batchCount)).toBeUndefined();
    expect(await skips.begin(_id, dead.owner, 0)).toBe(false);
    expect(await stored(_id)).toEqual(ended);
    expect(await harness.published(_id)).toEqual([]);
  });

  it('counts a batch by its real outcome when a skipped batch already has a log', async () => {
    const { _id } = await harness.accepted(randomUUID(), 300);
    const batch = (await harness.database.stagedBatches.findOne({ _id: `${_id}:7` }))!;
    const entities = batch.entities.map((entity) => ({ ...entity }));
    const elsewhere = {
      partition: batch.partition,
      offset: 5,
      batch: { actionId: _id, batchNo: 7, entities, cancelled: false },
    };
    await account(harness.database, [elsewhere as unknown as PublishedBatch]);
    await cancelled(_id);
    await dispatch(_id);
    const ended = await expectCancelled(_id);
    expect(ended.counts).toEqual({ success: entities.length, failure: 0, skipped: 300 - entities.length });
  });
});

describe('a window that may be in Kafka although it is not recorded', () => {
  it('goes through Kafka as cancelled when its publisher died before recording it, and later batches do not', async () => {
    const { _id } = await harness.accepted(randomUUID(), 500);
    const dead = await claim('dead/2');
    // The process publishes and records a window, publishes another and dies.
    expect(await dead.step()).toBe('more');
    expect(await dead.step()).toBe('more');
    await harness.database.actions.updateOne({ _id }, { $set: { 'dispatch.nextBatch': WINDOW } });
    await cancelled(_id);

    await dispatch(_id, storeAhead(AFTER_LEASE));
    const all = await harness.awaitPublished(_id, 3 * WINDOW);
    expect(batchNos(all)).toEqual([0, 1, 2, 3, 3, 4, 4, 5, 5]);
    const marked = all.filter(({ batch }) => batch.cancelled);
    expect(batchNos(marked)).toEqual([3, 4, 5]);
    const logs = await logsOf(_id);
    expect(logs[0]!.batchNo).toBe(2 * WINDOW);
    expect(logs.every(({ source }) => source.partition === SKIPPED_IN_DISPATCH)).toBe(true);

    // The first copies count: what was applied stays applied.
    const firsts = all.filter(({ batch }) => !batch.cancelled);
    await account(harness.database, [...firsts, ...marked]);
    const ended = await expectCancelled(_id);
    expect(ended.counts.success).toBe(firsts.flatMap(({ batch }) => batch.entities).length);
  });

  it('covers everything that a stalled publisher sends after the rest was skipped', async () => {
    const { _id } = await harness.accepted(randomUUID(), 500);
    const asleep = await claim('asleep/1');
    await cancelled(_id);
    // Another owner takes the action and hands it back in order, and a third one continues: the
    // first may still wake.
    await (await claim('between/1', storeAhead(AFTER_LEASE))).release();
    await dispatch(_id, storeAhead(2 * AFTER_LEASE));
    expect(await asleep.step()).toBe('stopped');
    const all = await harness.awaitPublished(_id, 2 * WINDOW);
    expect(batchNos(all)).toEqual([0, 0, 1, 1, 2, 2]);
    await account(harness.database, all);
    await expectCancelled(_id);
  });

  it('does not exist when the dispatch was handed back in order', async () => {
    const { _id } = await harness.accepted(randomUUID(), 500);
    const first = await claim('orderly/1');
    expect(await first.step()).toBe('more');
    await first.release();
    await cancelled(_id);
    await dispatch(_id);
    const all = await harness.awaitPublished(_id, WINDOW);
    await account(harness.database, all);
    await expectCancelled(_id);
    expect(await harness.published(_id)).toHaveLength(WINDOW);
  });

  it('keeps its lease until the lease expires', async () => {
    const { _id } = await harness.accepted(randomUUID(), 500);
    const store = storeAhead();
    const failing = await claim('failing/1', store);
    store.advance = () => Promise.reject(new Error('no answer'));
    await expect(failing.step()).rejects.toThrow('no answer');
    await failing.release();
    expect((await stored(_id)).dispatch.lease).not.toBeNull();
    await cancelled(_id);
    await dispatch(_id, storeAhead(1_000));
    expect(batchNos(await harness.awaitPublished(_id, 2 * WINDOW))).toEqual([0, 0, 1, 1, 2, 2]);
  });
});

describe('an action with a failure limit', () => {
  const FAILED = failure('ENTITY_NOT_FOUND', 'm');
  const bodyOf = (size: number, more: object) => ({
    actionType: 'update',
    config: { set: { city: 'Bonn' } },
    entities: Array.from({ length: size }, (_, i) => ({ id: `limited-${i}` })),
    ...more,
  });
  const control = async (actionId: string, verb: string) => {
    const { status, body } = await harness.send('POST', `/bulk-actions/${actionId}/${verb}`);
    return [status, body.data?.['status'] ?? body.error?.details];
  };

  it('ends as failed with its reason, and each position that was not dispatched is skipped', async () => {
    const service = await harness.start({
      BATCH_SIZE: '10',
      DISPATCH_IN_FLIGHT_BATCHES: '9',
      DISPATCH_WINDOW_BATCHES: '3',
    });
    const { body } = await harness.post(bodyOf(400, { maxFailures: 3 }));
    expect(body.data).toMatchObject({ maxFailures: 3, onMaxFailures: 'fail', reason: null });
    const actionId = String(body.data?.['actionId']);
    await harness.awaitPublished(actionId, 9);
    expect((await control(actionId, 'pause'))[0]).toBe(200);
    const [first, ...others] = await harness.published(actionId);
    await account(harness.database, [first!], FAILED);
    // The limit ends the pause of the action, and its rest is skipped.
    const failing = (await harness.get(`/bulk-actions/${actionId}`)).body.data;
    const reason = { code: 'TOO_MANY_FAILURES', message: 'more than 3 failed (maxFailures)' };
    expect(failing).toMatchObject({ status: 'processing', cancelling: false, reason });
    expect(await control(actionId, 'pause')).toEqual([409, { status: 'processing', cancelling: false }]);
    expect(await control(actionId, 'resume')).toEqual([409, { status: 'processing', cancelling: false }]);
    expect(await control(actionId, 'cancel')).toEqual([200, 'processing']);
    await eventually('the rest is skipped', async () => (await stored(actionId)).dispatch.done);
    await account(harness.database, others);
    const { counts, codes, batchCount } = await expectCancelled(actionId, 'failed');
    expect(counts.failure).toBeGreaterThan(3);
    expect(codes).toEqual({ ENTITY_NOT_FOUND: counts.failure, ACTION_FAILED: counts.skipped });
    expect(await harness.published(actionId)).toHaveLength(9);
    expect(batchCount).toBeGreaterThan(9);
    const stats = await harness.get(`/bulk-actions/${actionId}/stats`);
    expect(stats.body.data).toMatchObject({ status: 'failed', reason, percent: 100, eta: null });
    const page = await harness.get(`/bulk-actions/${actionId}/logs?type=skipped&limit=1&skip=9`);
    expect(page.body.data).toMatchObject([{ status: 'skipped', code: 'ACTION_FAILED' }]);
    expect(page.body.pagination).toMatchObject({ total: counts.skipped });
    expect(await control(actionId, 'cancel')).toEqual([409, { status: 'failed', cancelling: false }]);
    await service.stop();
  });

  it('pauses with its reason, and after a resume the limit no longer applies', async () => {
    const service = await harness.start({
      BATCH_SIZE: '10',
      DISPATCH_IN_FLIGHT_BATCHES: '9',
      DISPATCH_WINDOW_BATCHES: '3',
    });
    const query = '/bulk-actions?actionType=update&maxFailures=5%25&onMaxFailures=pause';
    const file = ['id,city', ...Array.from({ length: 400 }, (_, i) => `row-${i},Bonn`)].join('\n');
    const { body } = await harness.upload(query, file, { 'content-type': 'text/csv' });
    expect(body.data).toMatchObject({ maxFailures: '5%', onMaxFailures: 'pause', reason: null });
    const actionId = String(body.data?.['actionId']);
    const { batchCount } = await stored(actionId);
    let counted = 0;
    while ((await stored(actionId)).status !== 'paused') {
      const published = await harness.awaitPublished(actionId, Math.min(batchCount, counted + 9));
      await account(harness.database, published, FAILED);
      counted = published.length;
    }
    const view = (await harness.get(`/bulk-actions/${actionId}`)).body.data;
    const reason = {
      code: 'TOO_MANY_FAILURES',
      message: 'more than 5% of the outcomes failed (maxFailures)',
    };
    expect(view).toMatchObject({ status: 'paused', cancelling: false, reason });
    expect(view?.['processed']).toBeGreaterThanOrEqual(100);
    expect((await stored(actionId)).dispatch.dueAt).toBeUndefined();
    expect(await control(actionId, 'resume')).toEqual([200, 'processing']);
    while ((await stored(actionId)).status === 'processing') {
      const published = await harness.awaitPublished(actionId, Math.min(batchCount, counted + 9));
      await account(harness.database, published, FAILED);
      counted = published.length;
    }
    expect(await stored(actionId)).toMatchObject({ status: 'completed', counts: { failure: 400 } });
    expect((await harness.get(`/bulk-actions/${actionId}`)).body.data).toMatchObject({ reason: null });
    await service.stop();
  });

  it('skips its rest once when its dispatcher dies, and a window in doubt goes through Kafka as failed', async () => {
    const { _id } = await harness.accepted(randomUUID(), 500);
    const limit = { failureLimit: { max: 0, unit: 'failures', then: 'fail' } } as const;
    await harness.database.actions.updateOne({ _id }, { $set: limit });
    const dead = await claim('dead/3');
    expect(await dead.step()).toBe('more');
    expect(await dead.step()).toBe('more');
    await harness.database.actions.updateOne({ _id }, { $set: { 'dispatch.nextBatch': WINDOW } });
    const [first, ...others] = await harness.awaitPublished(_id, 2 * WINDOW);
    await account(harness.database, [first!], FAILED);
    expect(await stored(_id)).toMatchObject({ status: 'processing', failureLimit: { state: 'reached' } });

    // The next owner logs a run and dies before it counts the run.
    const next = await claim('dead/4', storeAhead(AFTER_LEASE));
    const skips = storeAhead(AFTER_LEASE).skips;
    const skipFrom = 2 * WINDOW;
    const run = await skips.read(_id, skipFrom, 50, 'failed');
    expect(await skips.begin(_id, next.owner, skipFrom)).toBe(true);
    expect(await skips.log(_id, run)).toHaveLength(run.batches.length);
    await dispatch(_id, storeAhead(2 * AFTER_LEASE));
    const all = await harness.awaitPublished(_id, 3 * WINDOW);
    const marked = all.filter(({ batch }) => batch.cancelled && batch.failed);
    expect(batchNos(marked)).toEqual([WINDOW, WINDOW + 1, WINDOW + 2]);
    await account(harness.database, [first!, ...others, ...marked]);
    const ended = await expectCancelled(_id, 'failed');
    expect(Object.keys(ended.codes).sort()).toEqual(['ACTION_FAILED', 'ENTITY_NOT_FOUND']);
    expect(ended.codes['ACTION_FAILED']).toBe(ended.counts.skipped);
  });

  it('is refused with the field at fault when it makes no sense, and nothing is left behind', async () => {
    const service = await harness.start();
    const bad = [-1, 1.5, '0%', '100', 'abc', null].map((maxFailures) => ({ maxFailures }));
    for (const parameters of [
      ...bad,
      { maxFailures: 1, onMaxFailures: 'stop' },
      { onMaxFailures: 'pause' },
    ]) {
      const field = Object.keys(parameters).at(-1);
      const { status, body } = await harness.post(bodyOf(1, parameters));
      expect([status, body.error?.details]).toEqual([400, [{ field, message: expect.any(String) }]]);
    }
    for (const text of ['101%25', '1.5', '-1', '%25', '']) {
      const path = `/bulk-actions?actionType=update&maxFailures=${text}`;
      const { status, body } = await harness.upload(path, 'id\na\n', { 'content-type': 'text/csv' });
      const issues = [{ field: 'maxFailures', message: expect.any(String) }];
      expect([status, body.error?.details]).toEqual([400, issues]);
    }
    expect(await harness.database.actions.countDocuments()).toBe(0);
    await service.stop();
  });
});
