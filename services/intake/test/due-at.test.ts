import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { DUE_NOW } from '@bulk/mongo';
import { eventually } from '@bulk/testing';
import { ActionControl } from '../src/control/action-control.ts';
import { ActionStore } from '../src/actions/action-store.ts';
import { DispatchStore } from '../src/dispatch/dispatch-store.ts';
import { dispatcherOf, LEASE_MS } from './dispatcher.ts';
import { IntakeHarness } from './harness.ts';

const NOW = new Date('2030-01-01T00:00:00Z');
const LATER = new Date('2030-01-02T00:00:00Z');
const LEASE_END = new Date(NOW.getTime() + LEASE_MS);

let harness: IntakeHarness;
let store: DispatchStore;
let control: ActionControl;
beforeAll(async () => {
  harness = await IntakeHarness.create();
  const now = (): Date => NOW;
  store = new DispatchStore(harness.database, LEASE_MS, now);
  const { database } = harness;
  control = new ActionControl({
    database,
    actions: new ActionStore(database),
    onChanged: () => undefined,
    now,
  });
});
afterAll(() => harness.installation.dispose());

const accepted = async (scheduledFor: Date | null = null): Promise<string> =>
  (await harness.accepted(randomUUID(), 30, scheduledFor))._id;
const dueAt = async (_id: string): Promise<Date | undefined> =>
  (await harness.database.actions.findOne({ _id }))?.dispatch.dueAt;
/** Leases this very action. */
async function claimed(_id: string): Promise<string> {
  const others = { 'dispatch.dueAt': DUE_NOW, _id: { $ne: _id } };
  await harness.database.actions.updateMany(others, { $unset: { 'dispatch.dueAt': '' } });
  const owner = `owner/${randomUUID()}`;
  expect((await store.claim(owner))?._id).toBe(_id);
  return owner;
}

describe('the due time of an action', () => {
  it('is immediate after acceptance, or the scheduled time', async () => {
    expect(await dueAt(await accepted())).toEqual(DUE_NOW);
    expect(await dueAt(await accepted(LATER))).toEqual(LATER);
  });

  it('is the end of the lease while leased, and immediate after the lease is handed back', async () => {
    const actionId = await accepted();
    const owner = await claimed(actionId);
    expect(await dueAt(actionId)).toEqual(LEASE_END);
    expect(await store.claim('other/1')).toBeUndefined();
    const later = new Date(NOW.getTime() + 1_000);
    await new DispatchStore(harness.database, LEASE_MS, () => later).renew(actionId, owner);
    expect(await dueAt(actionId)).toEqual(new Date(later.getTime() + LEASE_MS));
    await store.advance(actionId, owner, 1, false);
    expect(await dueAt(actionId)).toEqual(LEASE_END);
    await store.release(actionId, owner);
    expect(await dueAt(actionId)).toEqual(DUE_NOW);
  });

  it('is the time of the next try when the dispatch has failed', async () => {
    const actionId = await accepted();
    await store.postpone(actionId, await claimed(actionId), 5_000);
    expect(await dueAt(actionId)).toEqual(new Date(NOW.getTime() + 5_000));
  });

  it('is absent when everything is published', async () => {
    const actionId = await accepted();
    await store.advance(actionId, await claimed(actionId), 3, true);
    expect(await dueAt(actionId)).toBeUndefined();
  });

  it('is absent while paused, whatever happens to the lease, and restored by a resume', async () => {
    const scheduled = await accepted(LATER);
    await control.pause('acme', scheduled);
    expect(await dueAt(scheduled)).toBeUndefined();
    await control.resume('acme', scheduled);
    expect(await dueAt(scheduled)).toEqual(LATER);

    const leased = await accepted();
    const owner = await claimed(leased);
    await control.pause('acme', leased);
    for (const change of [
      () => store.renew(leased, owner),
      () => store.advance(leased, owner, 1, false),
      () => store.release(leased, owner),
    ]) {
      await change();
      expect(await dueAt(leased)).toBeUndefined();
    }
    await control.resume('acme', leased);
    expect(await dueAt(leased)).toEqual(DUE_NOW);

    const held = await accepted();
    await claimed(held);
    await control.pause('acme', held);
    await control.resume('acme', held);
    expect(await dueAt(held)).toEqual(LEASE_END);
  });

  it('is immediate after a cancel, also for a scheduled or paused action', async () => {
    const scheduled = await accepted(LATER);
    await control.cancel('acme', scheduled);
    expect(await dueAt(scheduled)).toEqual(DUE_NOW);
    const paused = await accepted(LATER);
    await control.pause('acme', paused);
    await control.cancel('acme', paused);
    expect(await dueAt(paused)).toEqual(DUE_NOW);
  });

  it('becomes immediate only when a search finds that it has passed', async () => {
    const [early, late] = [await accepted(NOW), await accepted(LATER)];
    const leased = await accepted();
    await claimed(leased);
    await store.findDue();
    expect(await dueAt(early)).toEqual(DUE_NOW);
    expect(await dueAt(late)).toEqual(LATER);
    expect(await dueAt(leased)).toEqual(LEASE_END);
  });

  it('is added to actions of a version that did not record it', async () => {
    const [due, scheduled, paused] = [await accepted(), await accepted(LATER), await accepted()];
    await control.pause('acme', paused);
    const ids = { _id: { $in: [due, scheduled, paused] } };
    await harness.database.actions.updateMany(ids, { $unset: { 'dispatch.dueAt': '' } });
    expect(await store.adopt()).toBeGreaterThanOrEqual(2);
    expect(await dueAt(due)).toEqual(DUE_NOW);
    expect(await dueAt(scheduled)).toEqual(LATER);
    expect(await dueAt(paused)).toBeUndefined();
    expect(await store.adopt()).toBe(0);
  });

  it('is added when an instance of that version accepts an action after this one has started', async () => {
    let ahead = 0;
    const one = dispatcherOf(harness, { monotonic: () => performance.now() + ahead });
    const isDone = async (_id: string): Promise<boolean | undefined> =>
      (await harness.database.actions.findOne({ _id }))?.dispatch.done;
    const first = await accepted();
    one.wake();
    await eventually('it has started', () => isDone(first));
    const second = await accepted();
    await harness.database.actions.updateOne({ _id: second }, { $unset: { 'dispatch.dueAt': '' } });
    ahead = 60_000;
    await eventually('the action of the other instance is dispatched', () => {
      one.wake();
      return isDone(second);
    });
  });
});
