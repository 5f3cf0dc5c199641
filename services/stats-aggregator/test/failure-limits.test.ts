import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { reconcile, repair } from '@bulk/mongo';
import { checkAccounting } from '@bulk/testing';
import { Accountant } from '../src/accounting/accountant.ts';
import { ActionCounts } from '../src/accounting/action-counts.ts';
import { toBatchLog } from '../src/accounting/batch-log.ts';
import { LogStore } from '../src/accounting/log-store.ts';
import { AggregatorHarness } from './harness.ts';

let harness: AggregatorHarness;
beforeAll(async () => {
  harness = await AggregatorHarness.create();
});
afterAll(() => harness.installation.dispose());

/** An instance that has no memory of what was counted. */
const accountant = () =>
  new Accountant(new LogStore(harness.database), new ActionCounts(harness.database, () => new Date()));
const action = async (actionId: string) => (await harness.database.actions.findOne({ _id: actionId }))!;

describe('a failure limit', () => {
  /** The results of batches of ten positions, of which four fail. */
  const results = (actionId: string, batches: number) =>
    Array.from({ length: batches }, (_, i) =>
      toBatchLog(harness.result(actionId, i), { partition: 0, offset: i }),
    );
  const rest = (actionId: string, batchNo: number) => {
    const skipped = { status: 'skipped', code: 'ACTION_FAILED', message: 'm' } as const;
    const result = harness.result(actionId, batchNo);
    const outcomes = result.outcomes.map((outcome) => ({ ...outcome, ...skipped }));
    return toBatchLog({ ...result, outcomes }, { partition: 0, offset: batchNo });
  };

  it('gives up the rest once, in the update that counts, whatever is delivered again', async () => {
    const actionId = randomUUID();
    const limit = { max: 9, unit: 'failures', then: 'fail' } as const;
    await harness.givenAction(actionId, 60, { failureLimit: limit });
    const all = results(actionId, 4);
    await accountant().account(0, all.slice(0, 2));
    expect(await action(actionId)).toMatchObject({ status: 'processing', cancelRequestedAt: null });
    // The process dies after the logs are stored, and another instance counts them, in other chunks.
    await new LogStore(harness.database).store(all);
    await accountant().account(0, all.slice(1, 3));
    const failing = await action(actionId);
    expect(failing).toMatchObject({
      status: 'processing',
      counts: { failure: 10 },
      failureLimit: { ...limit, state: 'reached' },
      finishedAt: null,
    });
    expect(failing.cancelRequestedAt).toEqual(failing.updatedAt);
    await accountant().account(0, all.slice(0, 3));
    expect(await action(actionId)).toEqual(failing);

    // Batches in flight still count, and the rest is skipped.
    await accountant().account(0, [...all, rest(actionId, 4)]);
    expect(await action(actionId)).toMatchObject({ status: 'processing', counts: { failure: 14 } });
    await accountant().account(0, [rest(actionId, 5)]);
    const failed = await action(actionId);
    expect(failed).toMatchObject({ status: 'failed', codes: { ACTION_FAILED: 20 } });
    expect(failed.cancelRequestedAt).toEqual(failing.cancelRequestedAt);
    expect((await checkAccounting(harness.database, actionId)).breaches).toEqual([]);
    expect(await reconcile(harness.database, actionId)).toMatchObject({ drift: [], missing: [] });

    // A replay may change the counts of the failed action, and never its status.
    const success = { status: 'success', code: null, message: null, effect: 'updated' } as const;
    const result = harness.result(actionId, 0, { generation: 1 });
    const replayed = result.outcomes.map((outcome) => ({ ...outcome, ...success }));
    await accountant().account(0, [
      toBatchLog({ ...result, outcomes: replayed }, { partition: 0, offset: 6 }),
    ]);
    expect(await action(actionId)).toMatchObject({ status: 'failed', counts: { failure: 10 } });
    expect((await checkAccounting(harness.database, actionId)).breaches).toEqual([]);
  });

  it.each([
    ['judges a share from the hundredth outcome on', 200, 'pause', 10, 'paused'],
    ['judges a share of a smaller action at its end', 30, 'fail', 3, 'failed'],
  ] as const)('%s', async (_, total, then, batches, status) => {
    const actionId = randomUUID();
    await harness.givenAction(actionId, total, { failureLimit: { max: 100, unit: 'basisPoints', then } });
    const all = results(actionId, batches);
    await accountant().account(0, all.slice(0, -1));
    expect((await action(actionId)).status).toBe('processing');
    await accountant().account(0, all.slice(-1));
    expect(await action(actionId)).toMatchObject({ status, cancelRequestedAt: null });
  });

  it('does not judge an action that is being cancelled', async () => {
    const actionId = randomUUID();
    const failureLimit = { max: 0, unit: 'failures', then: 'fail' } as const;
    await harness.givenAction(actionId, 30, { failureLimit, cancelRequestedAt: new Date(0) });
    await accountant().account(0, results(actionId, 3));
    expect(await action(actionId)).toMatchObject({ status: 'completed', failureLimit });
  });
});

describe('the effects of an action', () => {
  it('are counted once, and a replay replaces them', async () => {
    const actionId = randomUUID();
    const none = { created: 0, updated: 0, unchanged: 0, deleted: 0 };
    await harness.givenAction(actionId, 20, { effects: none });
    const of = (batchNo: number, effect: 'created' | 'updated' | null, generation = 0) => {
      const success = { status: 'success', code: null, message: null, effect } as const;
      const result = harness.result(actionId, batchNo, { generation });
      const outcomes = result.outcomes.map((outcome) => ({ ...outcome, ...success }));
      return toBatchLog({ ...result, outcomes }, { partition: 0, offset: batchNo + 2 * generation });
    };
    const effects = async () => (await action(actionId)).effects;
    await accountant().account(0, [of(0, 'created')]);
    await accountant().account(0, [of(0, 'created'), of(1, null)]);
    expect(await effects()).toEqual({ ...none, created: 10 });
    await accountant().account(0, [of(0, 'updated', 1)]);
    expect(await effects()).toEqual({ ...none, updated: 10 });
    expect((await checkAccounting(harness.database, actionId)).breaches).toEqual([]);

    await harness.database.actions.updateOne({ _id: actionId }, { $set: { 'effects.deleted': 3 } });
    const found = await repair(harness.database, actionId, new Date());
    expect(found?.drift).toEqual([{ what: 'deleted', counted: 3, logged: 0 }]);
    expect(await effects()).toEqual({ ...none, updated: 10 });
  });
});
