import { ProduceError } from '@bulk/kafka';
import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Lane } from '@bulk/domain';
import type { ActionDocument } from '@bulk/mongo';
import { eventually } from '@bulk/testing';
import { DispatchStore } from '../src/dispatch/dispatch-store.ts';
import { dispatcherOf, hangingProducer } from './dispatcher.ts';
import { IntakeHarness, positionsOf } from './harness.ts';

let harness: IntakeHarness;
beforeEach(async () => {
  harness = await IntakeHarness.create();
});
afterEach(() => harness.installation.dispose());

const accepted = (accountId: string, size: number, lane: Lane = 'normal'): Promise<ActionDocument> =>
  harness.accepted(randomUUID(), size, null, { accountId, lane });
const find = (actionId: string): Promise<ActionDocument> => harness.action(actionId);
const done = (actionId: string) =>
  eventually('the dispatch is done', async () => (await find(actionId)).dispatch.done);

describe('a send that hangs', () => {
  it('delays neither other lanes, nor other accounts of its lane, nor later actions', async () => {
    const stuck = await accepted('a', 200);
    const [ofOther, ofLane] = [await accepted('b', 200), await accepted('a', 200, 'high')];
    const { normal } = harness.installation.topics.entityBatches;
    const { producer, hanging, release } = hangingProducer(
      harness.producer,
      (topic, keys) => topic === normal && keys.includes(stuck._id),
    );
    const one = dispatcherOf(harness, { producer });
    one.wake();
    await eventually('it hangs', () => hanging() === 1);
    await Promise.all([done(ofOther._id), done(ofLane._id)]);
    const later = await accepted('c', 20);
    one.wake();
    await done(later._id);
    expect((await find(stuck._id)).dispatch).toMatchObject({ nextBatch: 0, done: false });
    expect(hanging()).toBe(1);
    release();
    await done(stuck._id);
    const published = await eventually('all positions', async () => {
      const all = await harness.published(stuck._id);
      return positionsOf(all).length >= 200 ? all : undefined;
    });
    expect(positionsOf(published)).toEqual(Array.from({ length: 200 }, (_, i) => i));
  });

  it('blocks only the places of its lane, and no other lane, when all sends of the lane hang', async () => {
    for (const accountId of ['a', 'b', 'c']) await accepted(accountId, 50);
    const { normal } = harness.installation.topics.entityBatches;
    const { producer, hanging, release } = hangingProducer(harness.producer, (topic) => topic === normal);
    const one = dispatcherOf(harness, { producer, parallelWindows: 2 });
    one.wake();
    await eventually('both places hang', () => hanging() === 2);
    const high = await accepted('d', 50, 'high');
    one.wake();
    await done(high._id);
    expect(hanging()).toBe(2);
    release();
  });

  it('keeps its lease, so that no other instance publishes the same batches', async () => {
    const stuck = await accepted('a', 50);
    const { normal } = harness.installation.topics.entityBatches;
    const { producer, hanging, release } = hangingProducer(harness.producer, (topic) => topic === normal);
    const leaseMs = 1_000;
    const store = new DispatchStore(harness.database, leaseMs, () => new Date());
    dispatcherOf(harness, { producer, store, leaseMs }).wake();
    const { until } = (await eventually('it hangs', async () =>
      hanging() === 1 ? (await find(stuck._id)).dispatch.lease : undefined,
    ))!;
    const other = dispatcherOf(harness, { store, leaseMs });
    await eventually('two leases have passed', () => {
      other.wake();
      return Date.now() > until.getTime() + leaseMs;
    });
    expect(hanging()).toBe(1);
    release();
    await done(stuck._id);
    const published = await eventually('all positions', async () => {
      const all = await harness.published(stuck._id);
      return positionsOf(all).length >= 50 ? all : undefined;
    });
    expect(positionsOf(published)).toEqual(Array.from({ length: 50 }, (_, i) => i));
  });

  it('ends when its dispatch stops, which then hands the leases back', async () => {
    const stuck = await accepted('a', 50);
    const { producer, hanging, release } = hangingProducer(
      harness.producer,
      (topic) => topic === harness.installation.topics.entityBatches.normal,
    );
    const one = dispatcherOf(harness, { producer });
    one.wake();
    await eventually('it hangs', () => hanging() === 1);
    const stopped = one.stop();
    release();
    await stopped;
    const { dispatch } = await find(stuck._id);
    expect(dispatch.lease).toBeNull();
    expect(dispatch.nextBatch).toBeGreaterThan(0);
  });

  it('publishes no batch after a hanging announcement once the lease is handed back', async () => {
    const stuck = await accepted('a', 50);
    const { actions } = harness.installation.topics;
    const sends: string[] = [];
    const { producer, hanging, release } = hangingProducer(harness.producer, (topic) => {
      sends.push(topic);
      return topic === actions;
    });
    const one = dispatcherOf(harness, { producer });
    one.wake();
    await eventually('the announcement hangs', () => hanging() === 1);
    await one.stop(1);
    expect((await find(stuck._id)).dispatch.lease).toBeNull();
    release();
    await one.stop();
    expect(sends).toEqual([actions]);
  });

  it('announces an action before any of its batches, also if the announcement fails at first', async () => {
    const action = await accepted('a', 50);
    const { actions, entityBatches } = harness.installation.topics;
    const sends: string[] = [];
    const failing = new Proxy(harness.producer, {
      get: (target, name): unknown => {
        const own: unknown = Reflect.get(target, name, target);
        if (name !== 'send') return typeof own === 'function' ? (own.bind(target) as unknown) : own;
        return async (...[topic, messages]: Parameters<typeof target.send>) => {
          sends.push(topic);
          if (sends.length === 1) throw new ProduceError(topic, new Error('no leader'));
          return target.send(topic, messages);
        };
      },
    });
    const one = dispatcherOf(harness, { producer: failing, retryDelayMs: 50 });
    one.wake();
    await eventually('the announcement fails', () => sends.length === 1);
    await eventually('the dispatch is done', async () => {
      one.wake();
      return (await find(action._id)).dispatch.done;
    });
    expect(sends.filter((topic) => topic !== harness.installation.topics.progress).slice(0, 3)).toEqual([
      actions,
      actions,
      entityBatches.normal,
    ]);
  });
});

describe('a process that dies between publishing and recording, with windows side by side', () => {
  it('leaves windows that another publishes again, and misses no position', async () => {
    const both = [await accepted('a', 60), await accepted('b', 60)];
    const leaseMs = 1_000;
    const store = new DispatchStore(harness.database, leaseMs, () => new Date());
    let published = 0;
    // Nothing is recorded any more.
    const dying = new Proxy(store, {
      get: (target, name): unknown => {
        const own: unknown = Reflect.get(target, name, target);
        if (typeof own !== 'function') return own;
        if (name !== 'advance' && name !== 'renew') return own.bind(target) as unknown;
        return () => {
          published += name === 'advance' ? 1 : 0;
          return new Promise(() => undefined);
        };
      },
    });
    const dead = dispatcherOf(harness, { store: dying, leaseMs });
    dead.wake();
    await eventually('both windows are published', () => published === 2);
    const ahead = new DispatchStore(harness.database, leaseMs, () => new Date(Date.now() + 2 * leaseMs));
    dispatcherOf(harness, { store: ahead, leaseMs }).wake();
    for (const { _id, batchCount } of both) {
      await done(_id);
      const all = await eventually('all copies', async () => {
        const seen = await harness.published(_id);
        return seen.length >= batchCount + 2 ? seen : undefined;
      });
      expect(all).toHaveLength(batchCount + 2);
      expect(new Set(positionsOf(all))).toEqual(new Set(Array.from({ length: 60 }, (_, i) => i)));
    }
    await dead.stop(1);
  });
});
