import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { markPostponed, type DispatchState } from '@bulk/mongo';
import { eventually } from '@bulk/testing';
import { AggregatorHarness } from './harness.ts';

let harness: AggregatorHarness;
beforeEach(async () => {
  harness = await AggregatorHarness.create();
});
afterEach(() => harness.installation.dispose());

const dispatchOf = async (_id: string): Promise<DispatchState> =>
  (await harness.database.actions.findOne({ _id }))!.dispatch;
const passed = (actionId: string, offset: number) =>
  eventually('the result is passed', async () => {
    const action = await harness.database.actions.findOne({ _id: actionId });
    return (Object.values(action?.applied ?? {})[0] ?? -1) >= offset;
  });

describe('a postponed batch', () => {
  it('is no longer postponed when its result is counted or repeated', async () => {
    const actionId = randomUUID();
    await harness.givenAction(actionId, 50, { dispatch: { nextBatch: 4, done: false, lease: null } });
    for (const batchNo of [1, 2]) await markPostponed(harness.database, actionId, batchNo);
    expect((await dispatchOf(actionId)).inFlight).toBe(true);
    await harness.start();
    const [first, second] = [harness.result(actionId, 0), harness.result(actionId, 1)];
    await harness.publish(first, second);
    await passed(actionId, 1);
    expect((await dispatchOf(actionId)).postponed).toEqual([2]);
    // A handler that stalled marks the batch too late. The copy that it postpones has a result,
    // which is a repetition.
    await markPostponed(harness.database, actionId, 1);
    await harness.publish(second);
    await passed(actionId, 2);
    expect((await dispatchOf(actionId)).postponed).toEqual([2]);
    await harness.publish(harness.result(actionId, 2));
    await passed(actionId, 3);
    const { inFlight, ...left } = await dispatchOf(actionId);
    expect(left).toEqual({ nextBatch: 4, done: false, lease: null });
    expect(inFlight).toBe(true);
    await harness.publish(harness.result(actionId, 3));
    await passed(actionId, 4);
    expect(await dispatchOf(actionId)).not.toHaveProperty('inFlight');
  });
});

describe('an action that ends', () => {
  it('leaves the indexes of the dispatch, even if its dispatcher died before it recorded the last window', async () => {
    const actionId = randomUUID();
    const lease = { owner: 'dead/1', until: new Date(1_000) };
    await harness.givenAction(actionId, 20, {
      dispatch: { nextBatch: 1, done: false, lease, dueAt: lease.until, inFlight: true, postponed: [7] },
    });
    await harness.start();
    await harness.publish(harness.result(actionId, 0), harness.result(actionId, 1));
    await harness.awaitStatus(actionId, 'completed');
    expect(await dispatchOf(actionId)).toEqual({ nextBatch: 1, done: false, lease });
    // A handler that marks a batch of the action now is too late.
    await markPostponed(harness.database, actionId, 1);
    expect(await dispatchOf(actionId)).not.toHaveProperty('postponed');
  });
});
