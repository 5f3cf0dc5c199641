import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Lane } from '@bulk/domain';
import { markPostponed, type ActionDocument } from '@bulk/mongo';
import { eventually } from '@bulk/testing';
import { batchWeight } from '../src/dispatch/batch-weight.ts';
import { DispatchStore } from '../src/dispatch/dispatch-store.ts';
import { dispatcherOf, LEASE_MS, limits } from './dispatcher.ts';
import { IntakeHarness } from './harness.ts';

let harness: IntakeHarness;
beforeEach(async () => {
  harness = await IntakeHarness.create();
});
afterEach(() => harness.installation.dispose());

const accepted = (accountId: string, size: number, lane: Lane = 'normal'): Promise<ActionDocument> =>
  harness.accepted(randomUUID(), size, null, { accountId, lane });
const nextBatch = async (actionId: string): Promise<number> =>
  (await harness.action(actionId)).dispatch.nextBatch;
/** Waits until exactly this number of batches is published, and another look at them has passed. */
async function published(actionId: string, batches: number, wake: () => void): Promise<void> {
  await eventually('as many are published', async () => (await nextBatch(actionId)) >= batches);
  const other = await accepted(randomUUID(), 5, 'low');
  wake();
  await eventually('another is dispatched meanwhile', async () => (await nextBatch(other._id)) > 0);
  expect(await nextBatch(actionId)).toBe(batches);
}

describe('batches in retry topics', () => {
  it.each([
    { limit: 'action', options: { maxInFlight: 4 } },
    { limit: 'account', options: limits(4, 1_000) },
    { limit: 'lane', options: limits(1_000, 6) },
  ])('do not block the rest of their action by the limit of the $limit', async ({ options }) => {
    const { _id } = await accepted('a', 300);
    const one = dispatcherOf(harness, options);
    const wake = (): void => one.wake();
    wake();
    await published(_id, 4, wake);
    for (const batchNo of [0, 2, 3]) await markPostponed(harness.database, _id, batchNo);
    await published(_id, 7, wake);
    // A redelivery marks the same batch once more.
    await markPostponed(harness.database, _id, 2);
    await published(_id, 7, wake);
  });

  it('count as in flight beyond their own limit', async () => {
    const { _id } = await accepted('a', 300);
    const one = dispatcherOf(harness, { maxInFlight: 4, maxPostponed: 2 });
    const wake = (): void => one.wake();
    wake();
    await published(_id, 4, wake);
    for (const batchNo of [0, 1, 2, 3]) await markPostponed(harness.database, _id, batchNo);
    await published(_id, 6, wake);
  });

  it('are not even searched when their action has nothing else in flight', async () => {
    const { _id } = await accepted('a', 30);
    const one = dispatcherOf(harness);
    one.wake();
    const { batchCount, total } = (await harness.database.actions.findOne({ _id }))!;
    await eventually('all are published', async () => (await nextBatch(_id)) === batchCount);
    const store = new DispatchStore(harness.database, LEASE_MS, () => new Date());
    expect(await store.inFlight(60_000, 1)).toMatchObject([{ accountId: 'a', batches: batchCount }]);
    // In the database as in the process, small batches count as parts of a full one.
    const [share] = await store.inFlight(60_000, 1_000);
    expect(share?.batches).toBeCloseTo(batchCount * batchWeight({ total, batchCount }, 1_000), 10);
    for (let batchNo = 0; batchNo < batchCount; batchNo += 1) {
      await markPostponed(harness.database, _id, batchNo);
    }
    expect(await store.inFlight(60_000, 1)).toEqual([]);
    expect(await harness.database.actions.findOne({ _id })).not.toHaveProperty('dispatch.inFlight');
  });
});
