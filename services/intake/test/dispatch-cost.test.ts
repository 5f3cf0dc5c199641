import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  DUE_NOW,
  ensureIndexes,
  WITH_DUE_AT,
  WITH_IN_FLIGHT,
  type ActionDocument,
  type Database,
} from '@bulk/mongo';
import { QueryPlans } from '@bulk/testing';
import { Claims, type Claim } from '../src/dispatch/claims.ts';
import { DispatchStore } from '../src/dispatch/dispatch-store.ts';
import { LEASE_MS } from './dispatcher.ts';
import { IntakeHarness } from './harness.ts';

/** Number of actions of each kind without work. */
const MANY = 5_000;
const INSERTED_AT_ONCE = 1_000;
const FAR = new Date('2999-01-01T00:00:00Z');

let harness: IntakeHarness;
let template: ActionDocument;
beforeAll(async () => {
  harness = await IntakeHarness.create();
  await ensureIndexes(harness.database, []);
  template = await harness.accepted(randomUUID(), 95, FAR);
  await given('scheduled', { status: 'pending', scheduledFor: FAR });
  await given('paused', { status: 'paused', scheduledFor: null });
  await given('ended', {
    status: 'completed',
    scheduledFor: null,
    finishedAt: new Date(),
    countedBatches: 10,
    dispatch: { nextBatch: 10, done: true, lease: null },
  });
  // Every writer of these fields does the same.
  await harness.database.actions.updateMany({}, [WITH_DUE_AT, WITH_IN_FLIGHT]);
}, 120_000);
afterAll(() => harness.installation.dispose());

async function given(kind: string, more: Partial<ActionDocument>): Promise<void> {
  const documents = Array.from({ length: MANY }, (_, i) => ({
    ...template,
    ...more,
    _id: `${kind}-${i}`,
    accountId: `account-${i % 100}`,
  }));
  for (let i = 0; i < MANY; i += INSERTED_AT_ONCE) {
    await harness.database.actions.insertMany(documents.slice(i, i + INSERTED_AT_ONCE));
  }
}

/** Opens a database that records its commands. */
async function watched(): Promise<{ database: Database; plans: QueryPlans; sent: () => number }> {
  const plans = new QueryPlans();
  let sent = 0;
  const database = await harness.installation.database((command) => {
    sent += 1;
    plans.record(command);
  });
  sent = 0;
  return { database, plans, sent: () => sent };
}

const claimsOf = (database: Database): Claims =>
  new Claims({
    store: new DispatchStore(database, LEASE_MS, () => new Date()),
    instanceId: randomUUID(),
    monotonic: () => performance.now(),
    holdMs: 1_000,
  });

describe('the search for due actions among thousands that are scheduled, paused or ended', () => {
  it('sends one command and reads no document when no action is due', async () => {
    const { database, plans, sent } = await watched();
    const claimed: Claim[] = [];
    await claimsOf(database).claim(100, (claim) => claimed.push(claim));
    expect(claimed).toEqual([]);
    expect(sent()).toBe(1);
    const used = await plans.indexUse(harness.database);
    expect(used).toMatchObject([{ command: 'find actions', bounded: ['dispatch.dueAt'] }]);
    for (const { documents } of used) expect(documents).toBeLessThanOrEqual(10);
  });

  it('reads a handful of documents by their indexes for a search, a claim and the count in flight', async () => {
    const due = await harness.accepted(randomUUID(), 95, null, { accountId: 'due' });
    const { database, plans, sent } = await watched();
    const claimed: Claim[] = [];
    await claimsOf(database).claim(100, (claim) => claimed.push(claim));
    expect(claimed.map(({ action }) => action._id)).toEqual([due._id]);
    expect(sent()).toBe(2);
    const store = new DispatchStore(database, LEASE_MS, () => new Date());
    const [{ owner }] = claimed as [Claim];
    await store.advance(due._id, owner, 3, false);
    expect(await store.inFlight(60_000, 1)).toEqual([
      { lane: 'normal', accountId: 'due', batches: 3, stale: 0 },
    ]);
    await store.look([due._id]);
    await store.release(due._id, owner);

    const used = await plans.indexUse(harness.database);
    expect(used.map(({ command }) => command).sort()).toEqual([
      'aggregate actions',
      'aggregate actions',
      'find actions',
      'findAndModify actions',
      'findAndModify actions',
      'findAndModify actions',
    ]);
    for (const { documents, bounded } of used) {
      expect(documents).toBeLessThanOrEqual(10);
      expect(bounded).not.toEqual([]);
    }
    const claim = used.find(({ bounded }) => bounded.includes('lane'));
    expect(claim?.bounded).toEqual(['dispatch.dueAt', 'lane']);
    expect(used.some(({ bounded }) => bounded.includes('dispatch.inFlight'))).toBe(true);
    await harness.database.actions.updateOne({ _id: due._id }, [{ $set: { status: 'paused' } }, WITH_DUE_AT]);
  });

  it('takes actions of all accounts in turn although all become due at once', async () => {
    await harness.database.actions.updateMany({ _id: { $regex: '^scheduled-[0-9]{1,3}$' } }, [
      { $set: { scheduledFor: new Date(Date.now() - 1) } },
      WITH_DUE_AT,
    ]);
    const claimed: Claim[] = [];
    await claimsOf(harness.database).claim(100, (claim) => claimed.push(claim));
    expect(new Set(claimed.map(({ action }) => action.accountId)).size).toBe(100);
    expect(await harness.database.actions.countDocuments({ 'dispatch.dueAt': DUE_NOW })).toBe(900);
  });
});
