import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { silentLogger } from '@bulk/runtime';
import { Janitor } from '../src/staging/janitor.ts';
import { StagingExpiredError } from '../src/staging/staging-area.ts';
import { entitiesOf, IntakeHarness } from './harness.ts';

let harness: IntakeHarness;
beforeEach(async () => {
  harness = await IntakeHarness.create();
});
afterEach(() => harness.installation.dispose());

const HOUR_MS = 3_600_000;
const draft = (actionId: string) => ({
  identity: {
    actionId,
    accountId: 'acme',
    actionType: 'update',
    entityType: 'contact',
    lane: 'normal',
  } as const,
  config: {},
  scheduledFor: null,
});
/** A janitor whose clock is ahead by `ms`. */
const janitorAhead = (ms: number) =>
  new Janitor(
    harness.database,
    { stagingTimeoutMs: HOUR_MS, stagedRetentionMs: HOUR_MS, now: () => new Date(Date.now() + ms) },
    silentLogger(),
  );

describe('staging', () => {
  it('accepts an action with all of its batches, in one step', async () => {
    const actionId = randomUUID();
    const action = await harness.accepted(actionId, 95);
    expect(action).toMatchObject({ status: 'pending', total: 95, version: 1 });
    const staged = await harness.database.stagedBatches.find({ actionId }).sort({ batchNo: 1 }).toArray();
    expect(staged.map(({ batchNo }) => batchNo)).toEqual(
      Array.from({ length: action.batchCount }, (_, i) => i),
    );
    const positions = staged.flatMap(({ entities }) => entities.map(({ position }) => position));
    expect(positions.sort((a, b) => a - b)).toEqual(entitiesOf(95).map((_, i) => i));
  });

  it('leaves nothing behind of an upload that breaks off in the middle (G1)', async () => {
    async function* broken(): AsyncGenerator<{ id: string }> {
      yield* entitiesOf(70);
      await Promise.reject(new Error('the connection is gone'));
    }
    await expect(harness.staging().stage(draft(randomUUID()), broken())).rejects.toThrow(
      'the connection is gone',
    );
    expect(await harness.traces()).toMatchObject({ actions: 0, staged: 0 });
  });

  it('refuses an upload of nothing', async () => {
    await expect(harness.staging().stage(draft(randomUUID()), [])).rejects.toMatchObject({
      code: 'INVALID_REQUEST',
    });
    expect(await harness.traces()).toMatchObject({ actions: 0, staged: 0 });
  });
});

describe('the janitor', () => {
  it('removes what a process that died in the middle of an upload left, and nothing else', async () => {
    const kept = randomUUID();
    await harness.accepted(kept, 20);
    const dead = randomUUID();
    await harness.accepted(dead, 20);
    await harness.database.actions.updateOne({ _id: dead }, { $set: { status: 'staging' } });
    expect(await janitorAhead(HOUR_MS / 2).sweep()).toEqual({ broken: 0, ended: 0 });
    expect(await janitorAhead(2 * HOUR_MS).sweep()).toEqual({ broken: 1, ended: 0 });
    expect(await harness.database.actions.distinct('_id')).toEqual([kept]);
    expect(await harness.database.stagedBatches.distinct('actionId')).toEqual([kept]);
  });

  it('and a slow upload never both win: once claimed, it is not accepted', async () => {
    const actionId = randomUUID();
    const janitor = janitorAhead(2 * HOUR_MS);
    async function* slow(): AsyncGenerator<{ id: string }> {
      yield* entitiesOf(70);
      await janitor.sweep();
      yield { id: 'last' };
    }
    await expect(harness.staging().stage(draft(actionId), slow())).rejects.toThrow(StagingExpiredError);
    expect(await harness.traces()).toMatchObject({ actions: 0, staged: 0 });
  });

  it('removes the batches of an action that ended long ago, and keeps the action', async () => {
    const [old, young, open] = [randomUUID(), randomUUID(), randomUUID()];
    for (const id of [old, young, open]) await harness.accepted(id, 20);
    const end = (finishedAt: Date) => ({
      $set: { status: 'completed' as const, finishedAt, 'dispatch.done': true },
    });
    await harness.database.actions.updateOne({ _id: old }, end(new Date(Date.now() - 2 * HOUR_MS)));
    await harness.database.actions.updateOne({ _id: young }, end(new Date()));
    expect(await janitorAhead(0).sweep()).toEqual({ broken: 0, ended: 1 });
    expect(await janitorAhead(0).sweep()).toEqual({ broken: 0, ended: 0 });
    expect((await harness.database.stagedBatches.distinct('actionId')).sort()).toEqual([young, open].sort());
    expect(await harness.database.actions.countDocuments({})).toBe(3);
  });
});
