import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Lane } from '@bulk/domain';
import { WITH_DUE_AT, WITH_IN_FLIGHT, type ActionDocument } from '@bulk/mongo';
import { eventually } from '@bulk/testing';
import { DispatchStore } from '../src/dispatch/dispatch-store.ts';
import { LaneWindows } from '../src/dispatch/lane-windows.ts';
import { SharedWindows } from '../src/dispatch/shared-windows.ts';
import type { Dispatcher, DispatcherOptions } from '../src/dispatch/dispatcher.ts';
import { dispatcherOf, limits } from './dispatcher.ts';
import { IntakeHarness } from './harness.ts';

let harness: IntakeHarness;
beforeEach(async () => {
  harness = await IntakeHarness.create();
});
afterEach(() => harness.installation.dispose());

const LARGE = 600;

const dispatcher = (other: Partial<DispatcherOptions> = {}): Dispatcher => dispatcherOf(harness, other);

const accepted = (accountId: string, size: number, lane: Lane = 'normal'): Promise<ActionDocument> =>
  harness.accepted(randomUUID(), size, null, { accountId, lane });
const find = (actionId: string): Promise<ActionDocument> => harness.action(actionId);
const nextBatch = async (actionId: string): Promise<number> => (await find(actionId)).dispatch.nextBatch;
const done = (actionId: string) =>
  eventually('the dispatch is done', async () => (await find(actionId)).dispatch.done);

/** Counts everything that has been published so far. */
async function count(actionId: string): Promise<void> {
  await harness.database.actions.updateOne({ _id: actionId }, [
    { $set: { countedBatches: '$dispatch.nextBatch', status: 'processing', updatedAt: new Date() } },
  ]);
}

describe('a dispatch', () => {
  it('gives every account the same number of turns, however many actions it has', async () => {
    const many = await Promise.all(Array.from({ length: 5 }, () => accepted('many', LARGE)));
    const one = await accepted('one', 200);
    dispatcher({ parallelWindows: 1 }).wake();
    await done(one._id);
    const published = await Promise.all(many.map(({ _id }) => nextBatch(_id)));
    const sum = published.reduce((a, b) => a + b, 0);
    // The look at the other actions comes some turns after the end of this one.
    expect(sum).toBeGreaterThanOrEqual(one.batchCount - 2);
    expect(sum).toBeLessThan(2 * one.batchCount);
    expect(Math.max(...published) - Math.min(...published)).toBeLessThanOrEqual(4);
  });

  it('publishes as much for an account with one action as for an account with many, with parallel windows', async () => {
    const many = await Promise.all(Array.from({ length: 5 }, () => accepted('many', LARGE)));
    const one = await accepted('one', 400);
    dispatcher().wake();
    await done(one._id);
    const published = await Promise.all(many.map(({ _id }) => nextBatch(_id)));
    // Each action has one window under way at a time. Their progress differs only by how long a
    // window takes.
    expect(published.reduce((a, b) => a + b, 0)).toBeLessThan(2 * one.batchCount);
  });

  it('keeps an account within its limit in a lane and continues as outcomes are counted', async () => {
    const [a1, a2, high] = [
      await accepted('a', LARGE),
      await accepted('a', LARGE),
      await accepted('a', LARGE, 'high'),
    ];
    dispatcher(limits(6, 100)).wake();
    const inNormal = async (): Promise<number> => (await nextBatch(a1._id)) + (await nextBatch(a2._id));
    await eventually(
      'both lanes are used',
      async () => (await inNormal()) === 6 && (await nextBatch(high._id)) === 6,
    );
    // The dispatcher continues to look, and publishes no more.
    const small = await accepted('b', 5, 'low');
    await done(small._id);
    expect([await inNormal(), await nextBatch(high._id)]).toEqual([6, 6]);
    await count(a1._id);
    await eventually('it continues', async () => (await inNormal()) > 6);
  });

  it('keeps a lane within its limit, with room left for a newcomer', async () => {
    const first = await accepted('a', LARGE);
    const one = dispatcher(limits(100, 12));
    one.wake();
    await eventually('its part is used', async () => (await nextBatch(first._id)) === 10);
    const second = await accepted('b', LARGE);
    one.wake();
    // What the first account has beyond its own part drains first.
    await eventually('the newcomer has its place', async () => (await nextBatch(second._id)) === 1);
    const third = await accepted('c', 5);
    one.wake();
    await eventually('another starts at once', async () => (await nextBatch(third._id)) > 0);
    const all = await Promise.all([first, second, third].map(({ _id }) => nextBatch(_id)));
    expect(all.reduce((a, b) => a + b, 0)).toBeLessThanOrEqual(12);
    await count(first._id);
    // Both get an equal part as soon as the first account's batches are counted.
    await eventually('the newcomer has its part', async () => (await nextBatch(second._id)) >= 3);
  });

  it('counts batches of other instances, except those that stall while others move', async () => {
    const theirs = await accepted('a', LARGE);
    const publishedAt = (updatedAt: Date) =>
      harness.database.actions.updateOne({ _id: theirs._id }, [
        {
          $set: {
            status: 'processing',
            'dispatch.nextBatch': 10,
            'dispatch.lease': { owner: 'them/1', until: new Date(Date.now() + 60_000) },
            updatedAt,
          },
        },
        WITH_DUE_AT,
        WITH_IN_FLIGHT,
      ]);
    await publishedAt(new Date());
    const ours = await accepted('b', LARGE);
    const one = dispatcher(limits(100, 12));
    one.wake();
    await eventually('the rest of the lane is used', async () => (await nextBatch(ours._id)) === 1);
    const elsewhere = await accepted('c', 5, 'low');
    one.wake();
    await done(elsewhere._id);
    expect(await nextBatch(ours._id)).toBe(1);
    await publishedAt(new Date(Date.now() - 61_000));
    // As in an outage, nothing moves, so that no more than a single stale batch is left out. The last
    // place is no longer kept for newcomers, so that a batch can show whether the lane moves.
    await eventually('two more are published', async () => (await nextBatch(ours._id)) === 3);
    const again = await accepted('c', 5, 'low');
    one.wake();
    await done(again._id);
    expect(await nextBatch(ours._id)).toBe(3);
    await count(ours._id);
    await eventually('all that is stale is left out', async () => (await nextBatch(ours._id)) === 3 + 10);
  });
});

describe('several dispatchers', () => {
  it('start newcomers at once on a new instance although another has more in flight than its window', async () => {
    const large = await accepted('large', LARGE);
    dispatcher({ concurrency: 1, ...limits(1_000, 58) }).wake();
    await eventually('it has much in flight', async () => (await nextBatch(large._id)) === 56);
    const newcomers: ActionDocument[] = [];
    for (let i = 0; i < 6; i += 1) newcomers.push(await accepted(`newcomer-${i}`, 5));
    dispatcher(limits(1_000, 12)).wake();
    await eventually(
      'each has started',
      async () => {
        const begun = await Promise.all(newcomers.map(({ _id }) => nextBatch(_id)));
        return begun.every((n) => n > 0);
      },
      { timeoutMs: 10_000 },
    );
  });

  it('publish every batch of the actions that each of them accepts once', async () => {
    const actions = await Promise.all(
      ['a', 'b'].map(async (accountId) => {
        const one = dispatcher({ pollMs: 5 });
        const ids = Array.from({ length: 10 }, () => randomUUID());
        for (const id of ids) {
          await harness.accepted(id, 55, null, { accountId }, one);
          // As intake does: while the dispatcher looks for due actions, it takes none at once.
          one.wake();
        }
        return ids;
      }),
    );
    for (const actionId of actions.flat()) {
      const { batchCount } = await find(actionId);
      await done(actionId);
      const published = await eventually('all batches', async () => {
        const seen = await harness.published(actionId);
        return seen.length >= batchCount ? seen : undefined;
      });
      expect(published).toHaveLength(batchCount);
    }
  });

  it('start with a window that another instance measured recently', async () => {
    const options = { min: 4, max: 100, tolerance: 2, probeEveryMs: 10_000 };
    const first = new LaneWindows(options, 'first');
    for (let now = 0; now < 10_000; now += 100) first.observe('normal', [50], true, now);
    expect(first.sizeAt('normal', 9_000, false)).toBeGreaterThan(50);
    await first.exchange(new SharedWindows(harness.database, () => new Date()), 10_000);
    const sizeOfFresh = async (ahead: number): Promise<number> => {
      const fresh = new LaneWindows(options, 'fresh');
      await fresh.exchange(new SharedWindows(harness.database, () => new Date(Date.now() + ahead)), 0);
      return fresh.sizeAt('normal', 0, false);
    };
    expect(await sizeOfFresh(0)).toBe(100);
    expect(await sizeOfFresh(60_000)).toBe(4);
  });
});

describe('the window of a lane', () => {
  it('grows when every action has a single window and others wait', async () => {
    const acceptSome = async (): Promise<void> => {
      for (let i = 0; i < 20; i += 1) await accepted(`account-${i % 5}`, 1);
    };
    await acceptSome();
    const one = dispatcher({
      window: { batches: 10, bytes: 1_000_000 },
      maxInFlightOfAccount: 1_000,
      // Whatever the latency on this machine, it does not make the window shrink.
      laneWindow: { min: 4, max: 100, tolerance: 1_000, probeEveryMs: 600_000 },
    });
    await eventually('another size is shared', async () => {
      // Others always wait, however long the first measurement takes.
      const waiting = { 'dispatch.done': false };
      if ((await harness.database.actions.countDocuments(waiting)) < 20) await acceptSome();
      one.wake();
      const inFlight = await harness.database.actions.find({ 'dispatch.inFlight': true }).toArray();
      for (const { _id } of inFlight) {
        await harness.database.actions.updateOne({ _id }, [
          { $set: { countedBatches: '$dispatch.nextBatch' } },
          WITH_IN_FLIGHT,
        ]);
      }
      return ((await harness.database.dispatchLanes.findOne({ _id: 'normal' }))?.size ?? 0) > 4;
    });
  });
});

describe('dispatch leases', () => {
  it('go to an account that has none when another account has all', async () => {
    for (let i = 0; i < 12; i += 1) await accepted('many', LARGE);
    const one = dispatcher({ concurrency: 3, ...limits(4, 100) });
    one.wake();
    const leased = { 'dispatch.lease': { $ne: null } };
    await eventually(
      'all places are taken',
      async () => (await harness.database.actions.countDocuments(leased)) === 3,
    );
    const [single, high] = [await accepted('single', 20), await accepted('many', 20, 'high')];
    one.wake();
    await Promise.all([done(single._id), done(high._id)]);
    expect(await harness.database.actions.countDocuments(leased)).toBeLessThanOrEqual(3);
  });

  it('rotate when there are more accounts than places', async () => {
    const actions: ActionDocument[] = [];
    for (const accountId of ['a', 'b', 'c', 'd', 'e']) actions.push(await accepted(accountId, LARGE));
    // Nothing is counted, so that none of the actions ends.
    dispatcher({
      concurrency: 2,
      leaseMs: 1_000,
      store: new DispatchStore(harness.database, 1_000, () => new Date()),
      ...limits(4, 100),
    }).wake();
    await eventually('each has started', async () => {
      const begun = await Promise.all(actions.map(({ _id }) => nextBatch(_id)));
      return begun.every((n) => n > 0);
    });
  });
});
