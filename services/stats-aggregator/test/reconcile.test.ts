import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { reconcile, repair } from '@bulk/mongo';
import { checkAccounting } from '@bulk/testing';
import { Accountant } from '../src/accounting/accountant.ts';
import { ActionCounts } from '../src/accounting/action-counts.ts';
import { toBatchLog, type BatchLog } from '../src/accounting/batch-log.ts';
import { LogStore } from '../src/accounting/log-store.ts';
import { AggregatorHarness } from './harness.ts';

let harness: AggregatorHarness;
let accountant: Accountant;
let logs: LogStore;
beforeAll(async () => {
  harness = await AggregatorHarness.create();
  logs = new LogStore(harness.database);
  accountant = new Accountant(logs, new ActionCounts(harness.database, () => new Date()));
});
afterAll(() => harness.installation.dispose());

const NOW = new Date(1_000);
const numbers = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
const batchesOf = (actionId: string, n: number): BatchLog[] =>
  numbers(n).map((i) => toBatchLog(harness.result(actionId, i), { partition: 0, offset: i }));

describe('reconciliation', () => {
  it('finds no drift in correct counts, and does not change them', async () => {
    const actionId = randomUUID();
    await harness.givenAction(actionId, 30);
    await accountant.account(0, batchesOf(actionId, 3));
    const before = await harness.database.actions.findOne({ _id: actionId });
    expect(await reconcile(harness.database, actionId)).toEqual({
      actionId,
      status: 'completed',
      drift: [],
      missing: [],
      surplus: 0,
    });
    await repair(harness.database, actionId, NOW);
    expect(await harness.database.actions.findOne({ _id: actionId })).toEqual(before);
  });

  it('finds and repairs manual changes of the counts, and raises the version', async () => {
    const actionId = randomUUID();
    await harness.givenAction(actionId, 30);
    await accountant.account(0, batchesOf(actionId, 3));
    const right = await harness.database.actions.findOne({ _id: actionId });
    const bent = { 'counts.success': 1, 'codes.ENTITY_NOT_FOUND': 4, countedBatches: 2 };
    await harness.database.actions.updateOne(
      { _id: actionId },
      { $set: { ...bent, status: 'processing', finishedAt: null } },
    );
    const found = await reconcile(harness.database, actionId);
    expect(found?.drift.map(({ what }) => what)).toEqual([
      'success',
      'ENTITY_NOT_FOUND',
      'countedBatches',
      'status',
    ]);
    // Later than what the action has been through, or its times would run backwards.
    const later = new Date(Date.now() + 60_000);
    expect(await repair(harness.database, actionId, later)).toEqual(found);
    expect(await harness.database.actions.findOne({ _id: actionId })).toEqual({
      ...right!,
      version: right!.version + 1,
      finishedAt: later,
      updatedAt: later,
    });
    expect((await reconcile(harness.database, actionId))?.drift).toEqual([]);
  });

  it('reports gaps, and ignores logs that are still to be counted', async () => {
    const actionId = randomUUID();
    await harness.givenAction(actionId, 40);
    const [a, b, c] = batchesOf(actionId, 3) as [BatchLog, BatchLog, BatchLog];
    await accountant.account(0, [a]);
    await logs.store([c]); // and its count is to follow
    const found = await repair(harness.database, actionId, NOW);
    expect(found).toMatchObject({ status: 'processing', drift: [], missing: [{ first: 10, last: 39 }] });
    await accountant.account(0, [b, c]);
    expect(await harness.database.actions.findOne({ _id: actionId })).toMatchObject({ countedBatches: 3 });
  });

  it('does not disturb an action that is counted at the same time', async () => {
    const actionId = randomUUID();
    await harness.givenAction(actionId, 400);
    let counting = true;
    let repairs = 0;
    const load = async (): Promise<void> => {
      for (const log of batchesOf(actionId, 40)) {
        if (log.batchNo % 8 === 3) {
          // A drift, so that there is something to repair meanwhile.
          await harness.database.actions.updateOne({ _id: actionId }, { $inc: { 'counts.failure': -1 } });
        }
        await accountant.account(0, [log]);
      }
      counting = false;
    };
    const mend = async (): Promise<void> => {
      while (counting) {
        const found = await repair(harness.database, actionId, NOW).catch((error: unknown) => {
          expect(error).toMatchObject({ code: 'RECONCILE_CONTENDED' });
          return undefined;
        });
        if ((found?.drift.length ?? 0) > 0) repairs += 1;
      }
    };
    await Promise.all([load(), mend()]);
    await repair(harness.database, actionId, NOW);
    expect(repairs).toBeGreaterThan(0);
    expect((await checkAccounting(harness.database, actionId)).breaches).toEqual([]);
  });
});
