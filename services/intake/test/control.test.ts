import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { ActionProgress } from '@bulk/contracts';
import type { ActionStatus } from '@bulk/domain';
import type { ActionDocument } from '@bulk/mongo';
import { eventually, TopicReader } from '@bulk/testing';
import { DispatchStore } from '../src/dispatch/dispatch-store.ts';
import { IntakeHarness, positionsOf, type Answer } from './harness.ts';

let harness: IntakeHarness;
let progress: TopicReader;
const WINDOW = 4;

beforeAll(async () => {
  harness = await IntakeHarness.create();
  const { kafka, topics } = harness.installation;
  progress = await TopicReader.open(kafka, [topics.progress]);
  harness.installation.onDispose(() => progress.close());
  await harness.start({ DISPATCH_IN_FLIGHT_BATCHES: String(WINDOW), DISPATCH_POLL_MS: '20' });
});
afterAll(() => harness.installation.dispose());

const FAR = new Date('2999-01-01T00:00:00Z');
const stored = (actionId: string): Promise<ActionDocument> => harness.action(actionId);
const control = (actionId: string, what: string, headers?: Record<string, string>): Promise<Answer> =>
  harness.send('POST', `/bulk-actions/${actionId}/${what}`, headers);

/** Counts outcomes for `batches` more batches of the action. */
async function count(actionId: string, batches: number): Promise<void> {
  await harness.database.actions.updateOne(
    { _id: actionId },
    {
      $inc: { countedBatches: batches, 'counts.success': batches, version: 1 },
      $set: { startedAt: new Date() },
    },
  );
}

const eventsOf = (actionId: string): Promise<ActionProgress[]> => harness.progressIn(progress, actionId);

describe('a dispatch', () => {
  it('stays within its window in flight and continues as outcomes are counted', async () => {
    const { _id, batchCount } = await harness.accepted(randomUUID(), 120);
    expect(batchCount).toBeGreaterThan(3 * WINDOW - 1);
    expect(await harness.awaitPublished(_id, WINDOW)).toHaveLength(WINDOW);
    for (let counted = 1; counted + WINDOW < batchCount; counted += 1) {
      await count(_id, 1);
      expect(await harness.awaitPublished(_id, WINDOW + counted)).toHaveLength(WINDOW + counted);
    }
    await count(_id, WINDOW);
    expect(positionsOf(await harness.awaitPublished(_id, batchCount))).toEqual(
      Array.from({ length: 120 }, (_, i) => i),
    );
  });

  it('publishes an event when the action is queued', async () => {
    const { _id } = await harness.accepted(randomUUID(), 5);
    await eventually('the event', async () =>
      (await eventsOf(_id)).some(({ status, version }) => status === 'queued' && version === 2),
    );
  });
});

describe('pause and resume', () => {
  it('stop an action within the window and continue where it stopped', async () => {
    const { _id, batchCount } = await harness.accepted(randomUUID(), 120);
    await harness.awaitPublished(_id, WINDOW);
    const paused = await control(_id, 'pause');
    expect(paused).toMatchObject({ status: 200, body: { data: { status: 'paused', actionId: _id } } });
    expect((await control(_id, 'pause')).body.data).toEqual(paused.body.data);
    await eventually('the dispatch lets go', async () => (await stored(_id)).dispatch.lease === null);
    await count(_id, WINDOW);
    // No dispatcher resumes it, although others are dispatched at the same time.
    const { _id: other } = await harness.accepted(randomUUID(), 5);
    await eventually('another is dispatched', async () => (await stored(other)).dispatch.done);
    expect(await harness.published(_id)).toHaveLength(WINDOW);

    expect(await control(_id, 'resume')).toMatchObject({
      status: 200,
      body: { data: { status: 'processing' } },
    });
    expect(await control(_id, 'resume')).toMatchObject({
      status: 200,
      body: { data: { status: 'processing' } },
    });
    await harness.awaitPublished(_id, 2 * WINDOW);
    await count(_id, batchCount);
    const all = await harness.awaitPublished(_id, batchCount);
    expect(positionsOf(all)).toEqual(Array.from({ length: 120 }, (_, i) => i));
    expect(all.some(({ batch }) => batch.cancelled)).toBe(false);
    await eventually('both are reported', async () => {
      const told = (await eventsOf(_id)).map(({ status }) => status);
      return told.includes('paused') && told.includes('processing');
    });
  });

  it('restore the previous status of an action that has not started', async () => {
    const { _id } = await harness.accepted(randomUUID(), 5, FAR);
    expect((await control(_id, 'pause')).body.data).toMatchObject({ status: 'paused' });
    expect((await control(_id, 'resume')).body.data).toMatchObject({ status: 'pending', queuedAt: null });
    expect(await harness.published(_id)).toEqual([]);
  });

  it('keep a due action from starting', async () => {
    const { _id } = await harness.accepted(randomUUID(), 5, FAR);
    await control(_id, 'pause');
    await harness.database.actions.updateOne({ _id }, { $set: { scheduledFor: new Date(0) } });
    const { _id: other } = await harness.accepted(randomUUID(), 5);
    await eventually('another is dispatched', async () => (await stored(other)).dispatch.done);
    expect(await harness.published(_id)).toEqual([]);
    await control(_id, 'resume');
    await harness.awaitPublished(_id, (await stored(_id)).batchCount);
  });
});

describe('rate and estimated completion time', () => {
  const HOUR_MS = 3_600_000;
  const stats = async (actionId: string) => (await harness.get(`/bulk-actions/${actionId}/stats`)).body.data!;

  it('do not change while an action is paused, and exclude the pause afterwards', async () => {
    const { _id } = await harness.accepted(randomUUID(), 120);
    await harness.awaitPublished(_id, WINDOW);
    await count(_id, WINDOW);
    await harness.awaitPublished(_id, 2 * WINDOW);
    const { actions } = harness.database;
    // The action has run for ten seconds.
    const startedAt = new Date(Date.now() - 10_000);
    await actions.updateOne({ _id }, { $set: { startedAt, status: 'processing' } });
    await control(_id, 'pause');
    const paused = await stats(_id);
    expect(paused).toMatchObject({ status: 'paused', eta: null });
    expect(paused['rate']).toBeGreaterThan(0);
    // An hour later.
    const before = new Date(startedAt.getTime() - HOUR_MS);
    const { updatedAt } = await stored(_id);
    const then = new Date(updatedAt.getTime() - HOUR_MS);
    await actions.updateOne({ _id }, { $set: { startedAt: before, updatedAt: then } });
    expect(await stats(_id)).toMatchObject({ rate: paused['rate'], eta: null });

    await control(_id, 'resume');
    const { pausedMs } = await stored(_id);
    expect(pausedMs).toBeGreaterThanOrEqual(HOUR_MS);
    expect(pausedMs).toBeLessThan(HOUR_MS + 60_000);
    const resumed = await stats(_id);
    expect(resumed['rate']).toBeGreaterThan(Number(paused['rate']) / 10);
    expect(Date.parse(String(resumed['eta']))).toBeGreaterThan(Date.now());
    const event = await eventually('the resumption is reported', async () =>
      (await eventsOf(_id)).find((one) => one.pausedMs > 0),
    );
    expect(event.pausedMs).toBe(pausedMs);
  });
});

describe('the times of an action', () => {
  it('never run backwards when clocks differ and the first outcome is counted before the dispatch is recorded', async () => {
    const { _id } = await harness.accepted(randomUUID(), 5, FAR);
    const { createdAt } = await stored(_id);
    const ran = new Date(createdAt.getTime() + 1);
    const early = { startedAt: ran, finishedAt: ran, status: 'completed' as const };
    // Counted and ended, by a clock that is behind, while the action's only window is being
    // recorded.
    const store = new DispatchStore(harness.database, 1_000, () => new Date(Date.now() + 60_000));
    await harness.database.actions.updateOne(
      { _id },
      { $set: { scheduledFor: null, ...early, 'dispatch.lease': { owner: 'me', until: FAR } } },
    );
    await store.advance(_id, 'me', 3, true);
    expect(await stored(_id)).toMatchObject({ queuedAt: ran, startedAt: ran, finishedAt: ran });
    // And by one that is ahead: a dispatcher's clock is behind that of the creation.
    const { _id: other } = await harness.accepted(randomUUID(), 5, FAR);
    const slow = new DispatchStore(harness.database, 1_000, () => new Date(0));
    await harness.database.actions.updateOne(
      { _id: other },
      { $set: { 'dispatch.lease': { owner: 'me', until: FAR } } },
    );
    const queued = (await slow.advance(other, 'me', 1, false))!;
    expect(queued.queuedAt).toEqual(queued.createdAt);
    expect(queued.updatedAt.getTime()).toBeGreaterThanOrEqual(queued.createdAt.getTime());
  });
});

describe('cancel', () => {
  it('skips what is not in flight and gives the same answer when repeated', async () => {
    const { _id, batchCount } = await harness.accepted(randomUUID(), 120);
    await harness.awaitPublished(_id, WINDOW);
    await eventually('it is queued', async () => (await stored(_id)).status === 'queued');
    const cancelled = await control(_id, 'cancel');
    expect(cancelled).toMatchObject({ status: 200, body: { data: { status: 'queued', cancelling: true } } });
    expect((await control(_id, 'cancel')).body.data).toMatchObject({ cancelling: true });
    await eventually('the rest is skipped', async () => (await stored(_id)).dispatch.done);
    expect(await harness.published(_id)).toHaveLength(WINDOW);
    expect(await harness.database.actionLogs.countDocuments({ actionId: _id })).toBe(batchCount - WINDOW);
  });

  it.each([
    ['one that waits for its time', 'pending'],
    ['one that is paused', 'paused'],
  ] as const)('ends %s without delay', async (_what, status) => {
    const { _id } = await harness.accepted(randomUUID(), 15, FAR);
    if (status === 'paused') await control(_id, 'pause');
    expect((await control(_id, 'cancel')).body.data).toMatchObject({ status: 'pending', cancelling: true });
    await eventually('it is cancelled', async () => (await stored(_id)).status === 'cancelled');
    expect((await stored(_id)).counts).toEqual({ success: 0, failure: 0, skipped: 15 });
    expect(await harness.published(_id)).toEqual([]);
  });
});

describe('a control request', () => {
  const CASES: [string, ActionStatus, boolean, number, string?][] = [
    ['cancel', 'completed', false, 409],
    ['cancel', 'failed', false, 409],
    ['cancel', 'cancelled', true, 200],
    ['pause', 'completed', false, 409],
    ['pause', 'cancelled', true, 409],
    ['pause', 'processing', true, 409],
    ['resume', 'failed', false, 409],
    ['resume', 'cancelled', true, 409],
    ['resume', 'queued', true, 409],
    ['resume', 'queued', false, 200],
  ];

  it.each(CASES)(
    '%s of an action that is %s (cancel requested: %s) answers %i',
    async (what, status, cancelling, code) => {
      const { _id } = await harness.accepted(randomUUID(), 5, FAR);
      const cancelRequestedAt = cancelling ? new Date(0) : null;
      await harness.database.actions.updateOne(
        { _id },
        { $set: { status, cancelRequestedAt, 'dispatch.done': true } },
      );
      const before = await stored(_id);
      const answer = await control(_id, what);
      expect(answer.status).toBe(code);
      if (code === 409) {
        expect(answer.body.error).toMatchObject({
          code: 'ACTION_STATUS_CONFLICT',
          details: { status, cancelling: cancelling && status !== 'cancelled' },
        });
      } else {
        expect(answer.body.data).toMatchObject({ status });
      }
      expect(await stored(_id)).toEqual(before);
    },
  );

  it.each(['cancel', 'pause', 'resume', 'retry'])(
    'is refused for another account and an unknown id: %s',
    async (what) => {
      const { _id } = await harness.accepted(randomUUID(), 5, FAR);
      const before = await stored(_id);
      const refused = async (id: string, headers?: Record<string, string>): Promise<unknown> => {
        const answer = await control(id, what, headers);
        return [answer.status, answer.body.error?.code];
      };
      expect(await refused(_id, { 'x-account-id': 'other' })).toEqual([404, 'ACTION_NOT_FOUND']);
      expect(await refused(randomUUID())).toEqual([404, 'ACTION_NOT_FOUND']);
      expect(await refused('7')).toEqual([400, 'INVALID_ID']);
      expect(await refused(_id, {})).toEqual([400, 'ACCOUNT_REQUIRED']);
      const unknownField = await harness.send('POST', `/bulk-actions/${_id}/${what}?force=1`);
      expect(unknownField).toMatchObject({ status: 400, body: { error: { code: 'INVALID_REQUEST' } } });
      expect(unknownField.body.error?.details).toEqual([{ field: 'force', message: 'unknown field' }]);
      expect(await stored(_id)).toEqual(before);
    },
  );
});
