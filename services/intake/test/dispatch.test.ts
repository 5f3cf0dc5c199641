import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { MESSAGES } from '@bulk/contracts';
import { partitionOf } from '@bulk/domain';
import { ProduceError } from '@bulk/kafka';
import type { ActionDocument } from '@bulk/mongo';
import { Health } from '@bulk/runtime';
import { eventually, inProcessService } from '@bulk/testing';
import { createContainer, TOKENS } from '../src/container.ts';
import { ActionDispatch } from '../src/dispatch/action-dispatch.ts';
import { DispatchStore } from '../src/dispatch/dispatch-store.ts';
import { Dispatcher, type DispatcherOptions } from '../src/dispatch/dispatcher.ts';
import { KAFKA_PRODUCER } from '@bulk/kafka';
import { dispatcherOf } from './dispatcher.ts';
import { IntakeHarness, PARTITIONS, positionsOf, type PublishedBatch } from './harness.ts';

let harness: IntakeHarness;
beforeEach(async () => {
  harness = await IntakeHarness.create();
});
afterEach(() => harness.installation.dispose());

const LEASE_MS = 1_000;
/** A store whose clock is ahead by `ms`: for it, other owners' leases have expired earlier. */
const storeAhead = (ms: number) =>
  new DispatchStore(harness.database, LEASE_MS, () => new Date(Date.now() + ms));
const options = (store: DispatchStore) => ({
  store,
  producer: harness.producer,
  topics: harness.installation.topics,
  window: { batches: 3, bytes: 1_000_000 },
  maxInFlight: 1_000,
  maxPostponed: 1_000,
  batchSize: 1,
  onChanged: () => undefined,
  leaseMs: LEASE_MS,
  monotonic: () => performance.now(),
});
function dispatcher(store: DispatchStore, other: Partial<DispatcherOptions> = {}): Dispatcher {
  return dispatcherOf(harness, { ...options(store), concurrency: 4, ...other });
}
const isDone = (actionId: string) => async (): Promise<boolean> =>
  (await harness.database.actions.findOne({ _id: actionId }))?.dispatch.done === true;
const isUpTo = (size: number, actionId: string) => async (): Promise<PublishedBatch[] | undefined> => {
  const published = await harness.published(actionId);
  return new Set(positionsOf(published)).size >= size ? published : undefined;
};
const nonEmpty = async <T>(found: Promise<readonly T[]>): Promise<readonly T[] | undefined> => {
  const list = await found;
  return list.length > 0 ? list : undefined;
};
const isAscending = (numbers: readonly number[]): boolean =>
  numbers.every((n, i) => i === 0 || n > numbers[i - 1]!);

describe('a dispatch', () => {
  it('publishes every batch once, on the partition of its entities, in order, and queues the action', async () => {
    const actionId = randomUUID();
    const { batchCount } = await harness.accepted(actionId, 123);
    dispatcher(storeAhead(0)).wake();
    await eventually('the dispatch is done', isDone(actionId));
    const published = await eventually('all positions', isUpTo(123, actionId));
    expect(published).toHaveLength(batchCount);
    expect(positionsOf(published)).toEqual(Array.from({ length: 123 }, (_, i) => i));
    for (const { partition, batch } of published) {
      for (const { id } of batch.entities) expect(partitionOf('contact', id, PARTITIONS)).toBe(partition);
    }
    for (let partition = 0; partition < PARTITIONS; partition += 1) {
      expect(
        isAscending(published.filter((one) => one.partition === partition).map(({ batch }) => batch.batchNo)),
      ).toBe(true);
    }
    const submitted = await eventually('the announcement', () => harness.submitted.messages[0]);
    expect(await harness.codec.decode(MESSAGES.actionSubmitted, submitted.message.value)).toMatchObject({
      actionId,
      total: 123,
      batchCount,
    });
    const action = await harness.database.actions.findOne({ _id: actionId });
    expect(action).toMatchObject({
      status: 'queued',
      version: 2,
      dispatch: { lease: null, nextBatch: batchCount },
    });
    expect(action?.queuedAt).toBeInstanceOf(Date);
  });

  it('is finished by another instance after the lease of the first has expired (G1)', async () => {
    const actionId = randomUUID();
    const { batchCount } = await harness.accepted(actionId, 200);
    const claimed = (await storeAhead(0).claim('first/1'))!;
    const first = new ActionDispatch(claimed, 'first/1', performance.now(), options(storeAhead(0)));
    expect(await first.step()).toBe('more');
    // `first` dies here. While its lease lasts, no other owner gets the action.
    expect(await storeAhead(0).claim('second/1')).toBeUndefined();
    dispatcher(storeAhead(2 * LEASE_MS)).wake();
    await eventually('the dispatch is done', isDone(actionId));
    const published = await eventually('all positions', isUpTo(200, actionId));
    expect(published).toHaveLength(batchCount);
    // If the process was only suspended, it finds that it has lost the action, and does no harm.
    expect(await first.step()).toBe('stopped');
    expect((await harness.database.actions.findOne({ _id: actionId }))?.dispatch.done).toBe(true);
  });

  it('publishes a window again when its process died between publishing and recording', async () => {
    const actionId = randomUUID();
    const { batchCount } = await harness.accepted(actionId, 100);
    const claimed = (await storeAhead(0).claim('first/1'))!;
    const first = new ActionDispatch(claimed, 'first/1', performance.now(), options(storeAhead(0)));
    await first.step();
    await harness.database.actions.updateOne({ _id: actionId }, { $set: { 'dispatch.nextBatch': 0 } });
    dispatcher(storeAhead(2 * LEASE_MS)).wake();
    await eventually('the dispatch is done', isDone(actionId));
    const published = await eventually('all copies', async () => {
      const seen = await harness.published(actionId);
      return seen.length >= batchCount + 3 ? seen : undefined;
    });
    expect(published).toHaveLength(batchCount + 3);
    expect(new Set(published.map(({ batch }) => batch.batchNo)).size).toBe(batchCount);
  });

  it('keeps the status of an action that already has its first outcome', async () => {
    const actionId = randomUUID();
    await harness.accepted(actionId, 100);
    await harness.database.actions.updateOne(
      { _id: actionId },
      { $set: { status: 'processing', version: 9 } },
    );
    dispatcher(storeAhead(0)).wake();
    await eventually('the dispatch is done', isDone(actionId));
    expect(await harness.database.actions.findOne({ _id: actionId })).toMatchObject({
      status: 'processing',
      version: 9,
    });
  });

  it('rests after a failure and delays no other dispatch', async () => {
    const [broken, sound] = [randomUUID(), randomUUID()].sort() as [string, string];
    await harness.accepted(broken, 50);
    await harness.database.stagedBatches.deleteMany({ actionId: broken, batchNo: 1 });
    await harness.accepted(sound, 50);
    const store = storeAhead(0);
    dispatcher(store).wake();
    await eventually('the sound one is done', isDone(sound));
    await eventually(
      'the broken one rests',
      async () => {
        const lease = (await harness.database.actions.findOne({ _id: broken }))?.dispatch.lease;
        return lease?.owner.endsWith('/postponed') === true && lease.until.getTime() > Date.now() + LEASE_MS;
      },
      { timeoutMs: 5_000 },
    );
    expect(await store.claim('another/1')).toBeUndefined();
    const action = await harness.database.actions.findOne({ _id: broken });
    expect(action).toMatchObject({ status: 'pending', dispatch: { done: false, nextBatch: 0 } });
    const later = storeAhead(60_000);
    await later.findDue();
    expect((await later.claim('later/1'))?._id).toBe(broken);
  });

  it('reports on /healthz that Kafka does not confirm, and continues when Kafka does', async () => {
    const actionId = randomUUID();
    await harness.accepted(actionId, 50);
    let refusals = 2;
    const producer = new Proxy(harness.producer, {
      get: (target, name): unknown => {
        if (name === 'send' && refusals > 0) {
          return (topic: string): Promise<never> => {
            refusals -= 1;
            return Promise.reject(new ProduceError(topic, new Error('not now')));
          };
        }
        const own: unknown = Reflect.get(target, name, target);
        return typeof own === 'function' ? (own.bind(target) as unknown) : own;
      },
    });
    const health = new Health();
    const one = dispatcher(storeAhead(0), { producer, health, retryDelayMs: 100 });
    one.wake();
    await eventually('it is reported', () => health.report().components[KAFKA_PRODUCER]?.state === 'waiting');
    await eventually('the dispatch is done', async () => {
      one.wake();
      return isDone(actionId)();
    });
    expect(health.report().components[KAFKA_PRODUCER]).toEqual({ state: 'ready' });
    const published = await eventually('all positions', isUpTo(50, actionId));
    expect(positionsOf(published)).toHaveLength(50);
  });

  it.each(['paused', 'cancelled'] as const)(
    'stops when its action is %s and hands it back',
    async (status) => {
      const actionId = randomUUID();
      await harness.accepted(actionId, 200);
      const claimed = (await storeAhead(0).claim('a/1'))!;
      const dispatch = new ActionDispatch(claimed, 'a/1', performance.now(), options(storeAhead(0)));
      expect(await dispatch.step()).toBe('more');
      await harness.database.actions.updateOne({ _id: actionId }, { $set: { status } });
      expect(await dispatch.step()).toBe('stopped');
      expect(await harness.database.actions.findOne({ _id: actionId })).toMatchObject({
        status,
        dispatch: { nextBatch: 6, done: false },
      });
      expect(await storeAhead(60_000).claim('b/1')).toBeUndefined();
    },
  );

  it('renews a lease that may have expired before it sends, or stops', async () => {
    const actionId = randomUUID();
    await harness.accepted(actionId, 200);
    let clock = 0;
    const slow = (owner: string, claimed: ActionDocument) =>
      new ActionDispatch(claimed, owner, 0, { ...options(storeAhead(0)), monotonic: () => clock });
    const first = slow('a/1', (await storeAhead(0).claim('a/1'))!);
    clock = LEASE_MS;
    expect(await first.step()).toBe('more'); // no other owner had it
    await storeAhead(0).release(actionId, 'a/1');
    const second = slow('b/1', (await storeAhead(0).claim('b/1'))!);
    clock = 3 * LEASE_MS;
    const before = (await eventually('a window', () => nonEmpty(harness.published(actionId)))).length;
    expect(await first.step()).toBe('stopped');
    expect(await second.step()).toBe('more');
    const after = await eventually('another window', async () => {
      const published = await harness.published(actionId);
      return published.length >= before + 3 ? published : undefined;
    });
    expect(new Set(after.map(({ batch }) => batch.batchNo)).size).toBe(after.length);
  });

  it('keeps batches of large entities within the size of a Kafka message', async () => {
    const entities = Array.from({ length: 240 }, (_, i) => ({ id: `c${i}`, notes: 'x'.repeat(120_000) }));
    const service = await harness.start({
      MAX_ENTITY_BYTES: '130000',
      BODY_LIMIT_BYTES: '40000000',
      BATCH_SIZE: '1000',
    });
    const { status, body } = await harness.post({ actionType: 'update', entities });
    expect(status).toBe(202);
    const actionId = String(body.data!['actionId']);
    await eventually('the dispatch is done', isDone(actionId));
    const published = await eventually('all positions', isUpTo(entities.length, actionId));
    expect(positionsOf(published)).toHaveLength(entities.length);
    await service.stop();
  });

  it('counts the configuration of each batch in the size of a window', async () => {
    const actionId = randomUUID();
    await harness.accepted(actionId, 200);
    const config = { note: 'x'.repeat(30_000) };
    await harness.database.actions.updateOne({ _id: actionId }, { $set: { config } });
    const claimed = (await storeAhead(0).claim('a/1'))!;
    const limited = { ...options(storeAhead(0)), window: { batches: 50, bytes: 100_000 } };
    const dispatch = new ActionDispatch(claimed, 'a/1', performance.now(), limited);
    expect(await dispatch.step()).toBe('more');
    expect(dispatch.nextBatch).toBe(3);
  });

  it('lets a small action overtake a big action', async () => {
    const [big, small] = [randomUUID(), randomUUID()].sort() as [string, string];
    await harness.accepted(big, 900);
    await harness.accepted(small, 5);
    dispatcher(storeAhead(0)).wake();
    await eventually('both are done', async () => (await isDone(big)()) && (await isDone(small)()));
    const all = await eventually('all positions', async () => {
      const [ofBig, ofSmall] = [await harness.published(big), await harness.published(small)];
      return positionsOf(ofBig).length >= 900 && positionsOf(ofSmall).length >= 5
        ? { ofBig, ofSmall }
        : undefined;
    });
    for (const { partition, offset } of all.ofSmall) {
      const behind = all.ofBig.filter((one) => one.partition === partition && one.offset > offset);
      expect(behind.length).toBeGreaterThan(0);
    }
  });

  it('publishes each batch once when several instances run', async () => {
    const actionIds = Array.from({ length: 6 }, () => randomUUID());
    for (const actionId of actionIds) await harness.accepted(actionId, 120);
    for (let i = 0; i < 3; i += 1) dispatcher(storeAhead(0)).wake();
    for (const actionId of actionIds) {
      await eventually('the dispatch is done', isDone(actionId));
      expect(positionsOf(await eventually('all positions', isUpTo(120, actionId)))).toHaveLength(120);
    }
  });
});

describe('a scheduled action', () => {
  it('waits until it is due on the clock of the instance that searches', async () => {
    const actionId = randomUUID();
    await harness.accepted(actionId, 10, new Date(Date.now() + 3_600_000));
    const [early, late] = [storeAhead(0), storeAhead(2 * 3_600_000)];
    await early.findDue();
    expect(await early.claim('a/1')).toBeUndefined();
    await late.findDue();
    expect((await late.claim('b/1'))?._id).toBe(actionId);
  });

  it('starts by the clock alone when it is due soon', async () => {
    await harness.start();
    const scheduledFor = new Date(Date.now() + 1_500);
    const { body } = await harness.post({
      actionType: 'update',
      entities: [{ id: 'c1', lastName: 'A' }],
      scheduledFor: scheduledFor.toISOString(),
    });
    const actionId = String(body.data!['actionId']);
    expect(body.data).toMatchObject({ status: 'pending', scheduledFor: scheduledFor.toISOString() });
    await eventually('it is queued', isDone(actionId));
    const action = await harness.database.actions.findOne({ _id: actionId });
    expect(action!.queuedAt!.getTime()).toBeGreaterThanOrEqual(scheduledFor.getTime());
  });
});

describe('intake', () => {
  it('resolves its composition root', async () => {
    const service = inProcessService();
    const container = await createContainer(harness.config(), service.context);
    expect(container.get(TOKENS.dispatcher)).toBeInstanceOf(Dispatcher);
    expect(typeof container.get(TOKENS.app).callback()).toBe('function');
    await service.stop();
  });

  it('hands back its leases when it stops, so that another instance continues at once', async () => {
    const actionId = randomUUID();
    await harness.accepted(actionId, 900);
    const stopping = dispatcher(storeAhead(0));
    stopping.wake();
    await eventually('the first window', async () => (await harness.published(actionId)).length > 0, {
      everyMs: 5,
    });
    await stopping.stop();
    const { dispatch } = await harness.action(actionId);
    expect(dispatch.lease).toBeNull();
    dispatcher(storeAhead(0)).wake();
    await eventually('the dispatch is done', isDone(actionId));
    expect(positionsOf(await eventually('all positions', isUpTo(900, actionId)))).toHaveLength(900);
  });

  it('hands back the lease of an unconfirmed window when its patience is over', async () => {
    const actionId = randomUUID();
    await harness.accepted(actionId, 30);
    let sends = 0;
    const closed = new AbortController();
    const producer = new Proxy(harness.producer, {
      get: (target, name) =>
        name === 'send'
          ? async () => {
              sends += 1;
              await once(closed.signal, 'abort');
              throw new ProduceError('a lane', new Error('closed'));
            }
          : (Reflect.get(target, name) as unknown),
    });
    const leaseOf = async () => (await harness.action(actionId)).dispatch.lease;
    const stopping = dispatcher(storeAhead(0), { producer, leaseMs: 60_000 });
    stopping.wake();
    await eventually('a window is under way', () => sends > 0);
    expect(await leaseOf()).not.toBeNull();
    await stopping.stop(200);
    expect(await leaseOf()).toBeNull();
    dispatcher(storeAhead(0)).wake();
    expect(positionsOf(await eventually('all positions', isUpTo(30, actionId)))).toHaveLength(30);
    closed.abort();
  });

  it('is ready, accepts nothing more when it stops, and answers requests under way', async () => {
    const service = await harness.start();
    expect(service.context.health.ready).toBe(true);
    const under = harness.post({ actionType: 'update', entities: [{ id: 'c1', lastName: 'A' }] });
    expect((await under).status).toBe(202);
    await service.stop();
    await expect(harness.get('/bulk-actions/7')).rejects.toThrow();
    expect(service.failures).toEqual([]);
  });
});
