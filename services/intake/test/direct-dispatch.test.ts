import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { ActionDocument, Database } from '@bulk/mongo';
import { eventually } from '@bulk/testing';
import { MongoNetworkError } from 'mongodb';
import { DispatchStore } from '../src/dispatch/dispatch-store.ts';
import { dispatcherOf } from './dispatcher.ts';
import { draftOf, entitiesOf, IntakeHarness, positionsOf } from './harness.ts';

let harness: IntakeHarness;
beforeEach(async () => {
  harness = await IntakeHarness.create();
});
afterEach(() => harness.installation.dispose());

const LEASE_MS = 1_000;
const storeAhead = (ms: number, database: Database = harness.database) =>
  new DispatchStore(database, LEASE_MS, () => new Date(Date.now() + ms));
const find = (actionId: string): Promise<ActionDocument> => harness.action(actionId);
const done = (actionId: string) =>
  eventually('the dispatch is done', async () => (await find(actionId)).dispatch.done);
const positions = async (actionId: string, size: number): Promise<number[]> =>
  positionsOf(
    await eventually('all positions', async () => {
      const seen = await harness.published(actionId);
      return new Set(positionsOf(seen)).size >= size ? seen : undefined;
    }),
  );

describe('an action that an idle instance accepts', () => {
  it('costs three writes until it is accepted, and one more until it is dispatched', async () => {
    const sent: string[] = [];
    const database = await harness.installation.database((command) => {
      const [name = ''] = Object.keys(command);
      sent.push(`${name} ${String(command[name])}`);
    });
    const one = dispatcherOf(harness, {
      store: storeAhead(0, database),
      window: { batches: 50, bytes: 1_000_000 },
    });
    one.wake();
    await eventually('it has looked for due actions', () => sent.includes('find actions'));
    one.expect();
    await eventually('it knows what is in flight', () => sent.includes('aggregate actions'));
    sent.length = 0;
    // The upload takes no time, so that it needs no further sign of life.
    const instant = new Date();
    const staging = harness.staging(() => instant, database, 100, one);
    const action = await staging.stage(draftOf(randomUUID()), entitiesOf(2));
    expect(action.dispatch.lease).not.toBeNull();
    await done(action._id);
    // Looks for due actions and at what is in flight may run during the writes.
    const looks = ['find actions', 'aggregate actions', 'find dispatch_lanes'];
    expect(sent.filter((command) => !looks.includes(command))).toEqual([
      'insert actions',
      'insert staged_batches',
      'findAndModify actions',
      'findAndModify actions',
    ]);
    expect(await positions(action._id, 2)).toEqual([0, 1]);
  });

  it('waits for its turn when every place is taken or its time has not come', async () => {
    const one = dispatcherOf(harness, { concurrency: 1 });
    const promised = one.firstLease();
    expect(promised).toBeDefined();
    expect(one.firstLease()).toBeUndefined();
    const waiting = await harness.accepted(randomUUID(), 20, null, {}, one);
    expect(waiting.dispatch.lease).toBeNull();
    promised?.cancel();
    promised?.cancel();
    const scheduled = await harness.accepted(randomUUID(), 20, new Date('2999-01-01T00:00:00Z'), {}, one);
    expect(scheduled.dispatch.lease).toBeNull();
    one.wake();
    await done(waiting._id);
    await eventually('its place is free again', () => one.firstLease());
    expect(one.firstLease()).toBeUndefined();
  });

  it('is dispatched at once although the answer of its acceptance was lost', async () => {
    const { actions } = harness.database;
    let lost = false;
    const losing = new Proxy(actions, {
      get: (target, name): unknown => {
        const own: unknown = Reflect.get(target, name, target);
        if (typeof own !== 'function') return own;
        if (name !== 'findOneAndUpdate' || lost) return own.bind(target) as unknown;
        return async (...args: unknown[]): Promise<never> => {
          lost = true;
          await (own.apply(target, args) as Promise<unknown>);
          throw new MongoNetworkError('the connection is gone');
        };
      },
    });
    const database = new Proxy(harness.database, {
      get: (target, name): unknown => (name === 'actions' ? losing : Reflect.get(target, name, target)),
    });
    const one = dispatcherOf(harness);
    const action = await harness
      .staging(undefined, database, 10, one)
      .stage(draftOf(randomUUID()), entitiesOf(25));
    expect(lost).toBe(true);
    await done(action._id);
    expect(await positions(action._id, 25)).toHaveLength(25);
  });

  it('is dispatched by another instance when its process dies after the acceptance', async () => {
    const action = await harness.accepted(
      randomUUID(),
      20,
      null,
      {},
      {
        expect: () => undefined,
        firstLease: () => ({
          owner: 'dead/1',
          stages: storeAhead(0).leaseAtAcceptance('dead/1'),
          begin: () => undefined,
          cancel: () => undefined,
        }),
      },
    );
    expect(await storeAhead(0).claim('other/1')).toBeUndefined();
    dispatcherOf(harness, { store: storeAhead(2 * LEASE_MS), leaseMs: LEASE_MS }).wake();
    await done(action._id);
    expect(await positions(action._id, 20)).toHaveLength(20);
  });

  it('is handed back at once when the instance stops meanwhile', async () => {
    const one = dispatcherOf(harness);
    const lease = one.firstLease();
    await one.stop();
    expect(one.firstLease()).toBeUndefined();
    const action = await harness.accepted(
      randomUUID(),
      20,
      null,
      {},
      {
        expect: () => undefined,
        firstLease: () => lease,
      },
    );
    expect(action.dispatch.lease?.owner).toBe(lease?.owner);
    await eventually(
      'the lease is handed back',
      async () => (await find(action._id)).dispatch.lease === null,
    );
    dispatcherOf(harness).wake();
    await done(action._id);
  });
});
