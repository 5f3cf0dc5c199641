import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { ensureIndexes, type Database } from '@bulk/mongo';
import { QueryPlans } from '@bulk/testing';
import { Snapshots } from '../src/subscriptions/snapshots.ts';
import { WebhookStore } from '../src/webhooks/webhook-store.ts';
import { ACCOUNT, NotifierHarness } from './harness.ts';

let harness: NotifierHarness;
let database: Database;
const plans = new QueryPlans();
beforeAll(async () => {
  harness = await NotifierHarness.create();
  database = await harness.installation.database(plans.record);
  await ensureIndexes(database, []);
});
afterAll(() => harness.installation.dispose());

it('every query of notifier uses an index', async () => {
  const callback = {
    url: 'https://example.com/hook',
    state: 'waiting',
    attempts: 0,
    dueAt: new Date(0),
    owner: null,
    lastAttemptAt: null,
    lastError: null,
  } as const;
  const actionId = await harness.givenAction({ status: 'completed', finishedAt: new Date(), callback });
  const snapshots = new Snapshots(database);
  await snapshots.read(actionId, ACCOUNT);
  await snapshots.readAll([actionId, randomUUID()]);
  await snapshots.readAccount(ACCOUNT, new Date(0), 10);
  const webhooks = new WebhookStore(database, 1_000, () => new Date());
  const claimed = await webhooks.claim('me/1', ['globex']);
  expect(claimed?.action._id).toBe(actionId);
  await webhooks.settle(claimed!, { kind: 'delivered' });
  await webhooks.claim('me/2', []);

  expect(plans.recorded).toEqual(['find actions', 'findAndModify actions', 'update actions']);
  expect(await plans.scans(database)).toEqual([]);
});
