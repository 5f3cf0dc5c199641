import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { encodeBatchResult } from '@bulk/contracts';
import { success } from '@bulk/domain';
import { ensureIndexes, type Database } from '@bulk/mongo';
import { QueryPlans } from '@bulk/testing';
import { Accountant } from '../src/accounting/accountant.ts';
import { ActionCounts } from '../src/accounting/action-counts.ts';
import { toBatchLog } from '../src/accounting/batch-log.ts';
import { LogStore } from '../src/accounting/log-store.ts';
import { AggregatorHarness } from './harness.ts';

let harness: AggregatorHarness;
let database: Database;
const plans = new QueryPlans();
beforeAll(async () => {
  harness = await AggregatorHarness.create();
  database = await harness.installation.database(plans.record);
  await ensureIndexes(database, []);
});
afterAll(() => harness.installation.dispose());

it('every query of stats-aggregator uses an index', async () => {
  const actionId = randomUUID();
  await harness.givenAction(actionId, 20);
  const accountant = new Accountant(new LogStore(database), new ActionCounts(database, () => new Date()));
  const logAt = (offset: number, batchNo = 0, generation = 0) =>
    toBatchLog(
      encodeBatchResult(
        {
          identity: {
            actionId,
            accountId: 'acme',
            actionType: 'update',
            entityType: 'contact',
            lane: 'normal',
          },
          batchNo,
        },
        { topic: 'a-lane', partition: 0, offset: 0 },
        [{ position: batchNo, entityId: 'c0', ref: null, outcome: success(), attempts: 1 }],
        new Date(),
        generation,
      ),
      { partition: 0, offset },
    );
  await accountant.account(0, [logAt(0)]);
  // The same batch from another message, and replayed, needs a look-up of its log. One that is
  // given up is removed.
  await accountant.account(0, [logAt(1)]);
  await accountant.account(0, [logAt(2, 0, 1)]);
  await new LogStore(database).store([logAt(3, 1)]);
  await accountant.giveUp(logAt(3, 1));

  expect(plans.recorded).toEqual([
    'delete action_logs',
    'find action_logs',
    'find actions',
    'findAndModify actions',
    'update action_logs',
  ]);
  expect(await plans.scans(database)).toEqual([]);
});
