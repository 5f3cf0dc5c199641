import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import { contact } from '@bulk/action-types';
import type { Database } from '@bulk/mongo';
import { silentLogger } from '@bulk/runtime';
import { MongoNetworkError } from 'mongodb';
import { Janitor } from '../src/clean-up/janitor.ts';
import { RowMatcher } from '../src/matching/matched-rows.ts';
import { StagingExpiredError } from '../src/submission/staging-area.ts';
import { draftOf, entitiesOf, IntakeHarness, LATE_WRITE_MS } from './harness.ts';

let harness: IntakeHarness;
beforeEach(async () => {
  harness = await IntakeHarness.create();
});
afterEach(() => harness.installation.dispose());

const HOUR_MS = 3_600_000;
/** Creates a janitor whose clock is ahead by `ms`. */
const janitorAhead = (ms: number) =>
  new Janitor(
    harness.database,
    {
      stagingTimeoutMs: HOUR_MS,
      stagedRetentionMs: HOUR_MS,
      lateWriteMs: LATE_WRITE_MS,
      now: () => new Date(Date.now() + ms),
    },
    silentLogger(),
  );

describe('staging', () => {
  it('accepts an action with all of its batches in one step', async () => {
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
    await expect(harness.staging().stage(draftOf(randomUUID()), broken())).rejects.toThrow(
      'the connection is gone',
    );
    expect(await harness.traces()).toMatchObject({ actions: 0, staged: 0 });
  });

  it('shows life while a filter, or the action of a retry, is read without a row, and not for a slow upload', async () => {
    const seen: Record<string, number[]> = { filter: [], retry: [], upload: [] };
    const sources = { filter: { filter: { city: 'Ulm' } }, retry: { retryOf: randomUUID() }, upload: {} };
    for (const kind of ['filter', 'retry', 'upload'] as const) {
      const actionId = randomUUID();
      async function* slow(): AsyncGenerator<{ id: string }> {
        for (let i = 0; i < 4; i += 1) {
          await sleep(150);
          const found = await harness.database.actions.findOne({ _id: actionId });
          seen[kind]!.push(found!.updatedAt.getTime());
        }
        yield { id: 'c1' };
      }
      const draft = { ...draftOf(actionId), ...sources[kind] };
      await harness.staging(undefined, undefined, 10, undefined, 50).stage(draft, slow());
      const { updatedAt } = (await harness.database.actions.findOne({ _id: actionId }))!;
      await sleep(150);
      expect((await harness.database.actions.findOne({ _id: actionId }))!.updatedAt).toEqual(updatedAt);
    }
    expect(new Set(seen['filter']).size).toBe(4);
    expect(new Set(seen['retry']).size).toBe(4);
    expect(new Set(seen['upload']).size).toBe(1);
  });

  it('measures a row without an id that was added to it', async () => {
    const row = (bytes: number) => ({ lastName: 'x'.repeat(bytes - '{"lastName":""}'.length) });
    const stage = (bytes: number) =>
      harness.staging().stage(draftOf(randomUUID()), [{ ...row(bytes), id: randomUUID() }]);
    expect(await stage(2_000)).toMatchObject({ total: 1 });
    await expect(stage(2_001)).rejects.toMatchObject({ code: 'ENTITY_TOO_LARGE' });
    const group = { rows: 500, bytes: 1_000_000, waitMs: 1_000 };
    const matcher = new RowMatcher({ database: harness.database, group, maxEntityBytes: 2_000 });
    const scope = { accountId: 'acme', entityType: contact, targets: 'either', field: 'email' } as const;
    // A retry matches rows that an earlier action has given an id.
    for await (const matched of matcher.matched([{ ...row(2_000), id: 'c1' }], scope))
      expect(matched).toMatchObject({ id: 'c1' });
  });

  it('refuses an empty upload', async () => {
    await expect(harness.staging().stage(draftOf(randomUUID()), [])).rejects.toMatchObject({
      code: 'INVALID_REQUEST',
    });
    expect(await harness.traces()).toMatchObject({ actions: 0, staged: 0 });
  });
});

describe('staging when the answer to a write is lost', () => {
  /**
   * Wraps the database so that the answer of one operation on `actions` is lost after it was
   * executed.
   */
  function losing(operation: 'findOneAndUpdate' | 'updateOne', carriedOut: boolean): Database {
    const { actions } = harness.database;
    let lost = false;
    const proxied = new Proxy(actions, {
      get: (target, name) => {
        const own: unknown = Reflect.get(target, name, target);
        if (typeof own !== 'function') return own;
        return async (...args: unknown[]): Promise<unknown> => {
          const lose = name === operation && !lost;
          lost ||= lose;
          if (lose && !carriedOut) throw new MongoNetworkError('the connection is gone');
          const answer: unknown = own.apply(target, args);
          if (!lose) return answer;
          await answer;
          throw new MongoNetworkError('the connection is gone');
        };
      },
    });
    return new Proxy(harness.database, {
      get: (target, name): unknown => (name === 'actions' ? proxied : Reflect.get(target, name, target)),
    });
  }

  it('accepts the action if the write was executed', async () => {
    const actionId = randomUUID();
    const staging = harness.staging(undefined, losing('findOneAndUpdate', true));
    const action = await staging.stage(draftOf(actionId), entitiesOf(25));
    expect(action).toMatchObject({ _id: actionId, status: 'pending', total: 25 });
    expect(await harness.database.stagedBatches.countDocuments({ actionId })).toBe(action.batchCount);
  });

  it('refuses the action if the write was not executed, and removes it once no late write can arrive', async () => {
    const actionId = randomUUID();
    const staging = harness.staging(undefined, losing('findOneAndUpdate', false));
    await expect(staging.stage(draftOf(actionId), entitiesOf(25))).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
    });
    expect(await harness.traces()).toMatchObject({ actions: 1, staged: 0 });
    expect(await janitorAhead(0).sweep()).toEqual({ broken: 0, ended: 0 });
    expect(await janitorAhead(2 * LATE_WRITE_MS).sweep()).toEqual({ broken: 1, ended: 0 });
    expect(await harness.traces()).toMatchObject({ actions: 0, staged: 0 });
  });
});

describe('the janitor', () => {
  it('removes exactly what a process left that died in the middle of an upload', async () => {
    const kept = randomUUID();
    await harness.accepted(kept, 20);
    const dead = randomUUID();
    await harness.accepted(dead, 20);
    await harness.database.actions.updateOne({ _id: dead }, { $set: { status: 'staging' } });
    expect(await janitorAhead(HOUR_MS / 2).sweep()).toEqual({ broken: 0, ended: 0 });
    // First the upload is claimed, so that it can no longer be accepted. It is removed when no
    // write can be under way any more.
    expect(await janitorAhead(2 * HOUR_MS).sweep()).toEqual({ broken: 0, ended: 0 });
    expect(await janitorAhead(2 * HOUR_MS).sweep()).toEqual({ broken: 0, ended: 0 });
    expect(await janitorAhead(2 * HOUR_MS + 2 * LATE_WRITE_MS).sweep()).toEqual({ broken: 1, ended: 0 });
    expect(await harness.database.actions.distinct('_id')).toEqual([kept]);
    expect(await harness.database.stagedBatches.distinct('actionId')).toEqual([kept]);
  });

  it('prevents the acceptance of a slow upload that it has claimed', async () => {
    const actionId = randomUUID();
    const janitor = janitorAhead(2 * HOUR_MS);
    async function* slow(): AsyncGenerator<{ id: string }> {
      yield* entitiesOf(70);
      await janitor.sweep();
      yield { id: 'last' };
    }
    await expect(harness.staging().stage(draftOf(actionId), slow())).rejects.toThrow(StagingExpiredError);
    expect(await harness.traces()).toMatchObject({ actions: 0, staged: 0 });
  });

  it('also removes what the process of a removed upload writes afterwards', async () => {
    const actionId = randomUUID();
    async function* asleep(): AsyncGenerator<{ id: string }> {
      yield* entitiesOf(70);
      await janitorAhead(2 * HOUR_MS).sweep();
      await janitorAhead(3 * HOUR_MS).sweep();
      expect(await harness.traces()).toMatchObject({ actions: 0, staged: 0 });
      // The write of an upload that had passed its check before the janitor came.
      await harness.database.stagedBatches.insertOne({
        _id: `${actionId}:6`,
        actionId,
        batchNo: 6,
        partition: 0,
        entities: [],
      });
      yield { id: 'last' };
    }
    await expect(harness.staging().stage(draftOf(actionId), asleep())).rejects.toThrow(StagingExpiredError);
    expect(await harness.traces()).toMatchObject({ actions: 0, staged: 0 });
  });

  it('prevents the acceptance of uploads that a janitor of the previous version claimed, and removes them', async () => {
    const actionId = randomUUID();
    async function* slow(): AsyncGenerator<{ id: string }> {
      yield* entitiesOf(70);
      const until = new Date(Date.now() + HOUR_MS);
      await harness.database.actions.updateOne(
        { _id: actionId },
        { $set: { 'dispatch.lease': { owner: 'janitor', until } } },
      );
      yield { id: 'last' };
    }
    await expect(harness.staging().stage(draftOf(actionId), slow())).rejects.toThrow(StagingExpiredError);
    expect(await harness.traces()).toMatchObject({ actions: 0, staged: 0 });
    // That janitor died in the middle of a removal.
    const dead = randomUUID();
    await harness.accepted(dead, 20);
    const lease = { owner: 'janitor 7', until: new Date(Date.now() + HOUR_MS) };
    await harness.database.actions.updateOne(
      { _id: dead },
      { $set: { status: 'staging', 'dispatch.lease': lease } },
    );
    expect(await janitorAhead(HOUR_MS / 2).sweep()).toEqual({ broken: 0, ended: 0 });
    expect(await janitorAhead(2 * HOUR_MS).sweep()).toEqual({ broken: 1, ended: 0 });
    expect(await harness.traces()).toMatchObject({ actions: 0, staged: 0 });
  });

  it('claims an upload so that the previous version cannot accept it either', async () => {
    const slow = randomUUID();
    await harness.accepted(slow, 20);
    await harness.database.actions.updateOne({ _id: slow }, { $set: { status: 'staging' } });
    await janitorAhead(2 * HOUR_MS).sweep();
    const claimed = await harness.database.actions.findOne({ _id: slow });
    expect(claimed?.uploadClaim?.reason).toBe('stalled');
    // The filter with which that version accepts.
    const open = { _id: slow, status: 'staging' as const, 'dispatch.lease': null };
    expect(await harness.database.actions.countDocuments(open)).toBe(0);
    expect(claimed?.dispatch.lease?.until).toEqual(claimed?.uploadClaim?.until);
  });

  it('removes the batches of an action that ended long ago and keeps the action', async () => {
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
