import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { stagedFields, type ActionDocument, type Database } from '@bulk/mongo';
import { CONTACT_UPDATE } from '@bulk/testing';
import { findUnfinishedActions } from '../src/dispatch/unfinished-actions.ts';
import { IntakeHarness } from './harness.ts';

const HOUR_MS = 3_600_000;
const LIMITS = { maxPostponed: 2, maxAgeMs: 4 * HOUR_MS };
const now = new Date();
const ago = (hours: number) => new Date(now.getTime() - hours * HOUR_MS);

let harness: IntakeHarness;
let database: Database;
beforeAll(async () => {
  harness = await IntakeHarness.create();
  database = await harness.installation.database();
});
afterAll(() => harness.installation.dispose());

async function given(
  fields: Partial<ActionDocument>,
  dispatch: Partial<ActionDocument['dispatch']>,
): Promise<void> {
  const staged = stagedFields(ago(5));
  await database.actions.insertOne({
    ...staged,
    _id: randomUUID(),
    ...CONTACT_UPDATE,
    total: 100,
    batchCount: 4,
    ...fields,
    dispatch: { ...staged.dispatch, ...dispatch },
  });
}

it('takes an action that waits only for retries as unfinished and not as stalled', async () => {
  const counts = { success: 70, failure: 4, skipped: 1 };
  const processing = { status: 'processing', counts, countedBatches: 3, updatedAt: ago(2) } as const;
  await given(processing, { nextBatch: 4, done: true, postponed: [3] });
  // The dispatch rests, because as many batches wait as may wait.
  await given({ ...processing, countedBatches: 0 }, { nextBatch: 2, done: false, postponed: [0, 1] });
  const waiting = await findUnfinishedActions(database, LIMITS, now);
  expect(waiting.byStatus).toEqual([
    { status: 'processing', count: 2, oldestDue: ago(5), oldestUpdate: null },
  ]);
  expect(waiting.byLane).toEqual([
    { lane: 'high', entities: 0 },
    { lane: 'normal', entities: 50 },
    { lane: 'low', entities: 0 },
  ]);
  // A wait beyond the longest one is none: the batch is lost.
  const later = await findUnfinishedActions(database, { ...LIMITS, maxAgeMs: HOUR_MS }, now);
  expect(later.byStatus[0]?.oldestUpdate).toEqual(ago(2));

  // Another of its batches is in flight.
  await given(processing, { nextBatch: 5, done: true, postponed: [3], inFlight: true });
  const { byStatus } = await findUnfinishedActions(database, LIMITS, now);
  expect(byStatus).toEqual([{ status: 'processing', count: 3, oldestDue: ago(5), oldestUpdate: ago(2) }]);
});

it('counts the wait of a scheduled action from its time', async () => {
  await given({ status: 'pending', lane: 'high', scheduledFor: ago(1), updatedAt: ago(5) }, {});
  await given({ status: 'pending', lane: 'high', scheduledFor: new Date(now.getTime() + HOUR_MS) }, {});
  const { byStatus, byLane } = await findUnfinishedActions(database, LIMITS, now);
  expect(byStatus.find(({ status }) => status === 'pending')).toEqual({
    status: 'pending',
    count: 1,
    oldestDue: ago(1),
    oldestUpdate: ago(1),
  });
  expect(byLane.find(({ lane }) => lane === 'high')).toEqual({ lane: 'high', entities: 100 });
});
