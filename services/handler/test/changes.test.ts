import { randomUUID } from 'node:crypto';
import { afterEach, describe, expect, it } from '@jest/globals';
import { UpdateHandler } from '@bulk/action-types';
import type { BatchResult } from '@bulk/contracts';
import { CodedError, type EntityChanges } from '@bulk/domain';
import { entity, HandlerHarness, idsIn, withActionType, type GivenBatch } from './harness.ts';

let harness: HandlerHarness;
afterEach(() => harness.installation.dispose());

const increment = { score: 5 };
const addToList = { tags: ['spring'] };

/** Builds a batch of partition 0 that adds to the score and to the tags of contacts. */
function adding(ids: readonly string[], more: Partial<GivenBatch> = {}): GivenBatch {
  return {
    actionId: randomUUID(),
    batchNo: 0,
    partition: 0,
    entities: ids.map((id, i) => entity(i, id, {})),
    config: { increment, addToList },
    ...more,
  };
}

const keptOf = ({ outcomes }: BatchResult) =>
  outcomes.map(({ changes }) => (changes === null ? null : (JSON.parse(changes) as EntityChanges)));
const effects = ({ outcomes }: BatchResult) => outcomes.map(({ effect, version }) => [effect, version]);

describe('increments and changes of lists', () => {
  it('are made once however often a batch is delivered or replayed, and cancelled ones are not made', async () => {
    harness = await HandlerHarness.create();
    const ids = idsIn(0, 4) as [string, string, string, string];
    const [id, full, listed, cancelled] = ids;
    await harness.givenContacts(ids);
    const contacts = harness.database.entities('contacts');
    await contacts.updateOne({ id: full }, { $set: { score: 98 } });
    await contacts.updateOne({ id: listed }, { $set: { tags: ['spring'], score: 1 } });
    const first = adding([id, full, 'gone']);
    const unchanged = adding([listed], { config: { addToList } });
    const later = adding([id], {
      entities: [entity(0, id, { removeFromList: { tags: ['spring'] } })],
      config: { increment: { score: -1 } },
    });
    const end = adding([cancelled], { cancelled: true });
    // A dead letter is replayed with a place of its own, behind what has changed the contact since.
    await harness.publish(first, unchanged, later, { ...first, generation: 1 }, end);
    await harness.start();
    const actions = [first, unchanged, later, end].map(({ actionId }) => actionId);
    const results = await harness.awaitResults(5, ...actions);
    const of = (batch: GivenBatch): BatchResult[] =>
      results.filter(({ actionId }) => actionId === batch.actionId);
    expect(of(first).map(effects)).toEqual(
      [0, 1].map(() => [
        ['updated', 2],
        [null, null],
        [null, null],
      ]),
    );
    expect(
      of(first)[0]
        ?.outcomes.map(({ code, message }) => [code, message])
        .slice(1),
    ).toEqual([
      ['INVALID_ENTITY', expect.stringMatching(/^score: would become 103: /u)],
      ['ENTITY_NOT_FOUND', 'no contact has this id'],
    ]);
    expect(of(unchanged).map(effects)).toEqual([[['unchanged', 1]]]);
    expect(of(later).map(effects)).toEqual([[['updated', 3]]]);
    const before = await harness.contacts();
    expect(await harness.contact(id)).toMatchObject({ score: 4, tags: [], version: 3 });
    expect(await harness.contact(full)).toMatchObject({ score: 98, version: 1 });
    expect((await harness.contact(cancelled))?.version).toBe(1);

    await harness.stop();
    await harness.rewind();
    await harness.start();
    // The first batch is superseded by now, and reports nothing.
    const again = (await harness.awaitResults(9, ...actions)).slice(5);
    expect(await harness.contacts()).toEqual(before);
    for (const { resultId, generation, outcomes } of again)
      expect(outcomes).toEqual(
        results.find((one) => one.resultId === resultId && one.generation === generation)?.outcomes,
      );
  });

  it('are made once when their batch waits in a retry topic, and its outcomes keep their effects and values', async () => {
    harness = await HandlerHarness.create({ RETRY_IN_PLACE_MS: '50', RETRY_TIERS_MS: '500,600,700' });
    const [other, ...ids] = idsIn(0, 3) as [string, string, string];
    await harness.givenContacts([other, ...ids]);
    const update = new UpdateHandler();
    let isAway = true;
    const registry = withActionType('own', {
      // The write of one contact is made before another one makes the batch wait.
      process: async (one, context) => {
        const outcome = await update.processEntity(one, { increment }, context);
        if (one.id === ids[0] || !isAway) return outcome;
        throw new CodedError('UPSTREAM_AWAY', 'not now', { retryable: true });
      },
    });
    const batch = adding(ids, { actionType: 'own', config: {}, changes: 'values' });
    const next = adding([other]);
    await harness.publish(batch, next);
    await harness.start(registry, { ENTITY_CONCURRENCY: '1' });
    // The partition continues, so the batch is in a retry topic.
    await harness.awaitResults(1, next.actionId);
    isAway = false;
    const [result] = await harness.awaitResults(1, batch.actionId);
    expect(effects(result!)).toEqual([
      ['updated', 2],
      ['updated', 2],
    ]);
    const kept = { before: { score: null }, after: { score: 5 } };
    expect(keptOf(result!)).toEqual([kept, kept]);
    expect(result!.outcomes.map(({ attempts }) => attempts)).toEqual([1, expect.any(Number)]);
    for (const id of ids) expect(await harness.contact(id)).toMatchObject({ score: 5, version: 2 });
  });

  it('are made once by an action, its retry and the retry of that retry', async () => {
    harness = await HandlerHarness.create();
    const [made, failed] = idsIn(0, 2) as [string, string];
    await harness.givenContacts([made]);
    const first = adding([made, failed]);
    await harness.publish(first);
    await harness.start();
    await harness.awaitResults(1, first.actionId);
    await harness.givenContacts([failed]);
    const retries = [1, 2].map(() => adding([made, failed], { rootActionId: first.actionId }));
    await harness.publish(...retries);
    const results = await harness.awaitResults(2, ...retries.map(({ actionId }) => actionId));
    const once = ['updated', 2];
    expect(results.map(effects)).toEqual([
      [once, once],
      [once, once],
    ]);
    for (const id of [made, failed])
      expect(await harness.contact(id)).toMatchObject({ score: 5, version: 2 });
  });

  it('are not made, and not reported as made, when another position of the chain has changed the entity', async () => {
    harness = await HandlerHarness.create();
    const [taken, other] = idsIn(0, 2) as [string, string];
    await harness.givenContacts([taken, other]);
    const first = adding([taken]);
    await harness.publish(first);
    await harness.start();
    await harness.awaitResults(1, first.actionId);
    // Row 1 matches by now the contact that row 0 has changed, and row 0 is tried again.
    const retried = (position: number, id: string, origin: number, more: Partial<GivenBatch> = {}) =>
      adding([], {
        entities: [{ ...entity(position, id, { increment: { score: 7 } }), origin }],
        rootActionId: first.actionId,
        ...more,
      });
    const dryRun = retried(0, taken, 1, { dryRun: true });
    const [moved, same, own] = [retried(0, taken, 1), retried(3, taken, 0), retried(0, other, 2)];
    const batches = [dryRun, moved, same, own];
    await harness.publish(...batches);
    const results = await harness.awaitResults(4, ...batches.map(({ actionId }) => actionId));
    const skip = [
      'skipped',
      'DUPLICATE_ENTITY',
      expect.stringMatching(/^position 0 of the first action has changed this contact/u),
      null,
    ];
    const done = ['success', null, null, 2];
    expect(
      batches.map(({ actionId }) =>
        results
          .find((one) => one.actionId === actionId)
          ?.outcomes.flatMap(({ status, code, message, version }) => [status, code, message, version]),
      ),
    ).toEqual([skip, skip, done, done]);
    expect(await harness.contact(taken)).toMatchObject({ score: 5, version: 2 });
    expect(await harness.contact(other)).toMatchObject({ score: 7, version: 2 });
  });

  it('are reported as made when their answer was lost and a later batch has overtaken the retry', async () => {
    harness = await HandlerHarness.create({ RETRY_IN_PLACE_MS: '50', RETRY_TIERS_MS: '500,600,700' });
    const [id] = idsIn(0, 1) as [string];
    await harness.givenContacts([id]);
    const update = new UpdateHandler();
    let isLost = true;
    const registry = withActionType('own', {
      process: async (one, context) => {
        const outcome = await update.processEntity(one, { increment }, context);
        if (isLost) throw new CodedError('UPSTREAM_AWAY', 'not now', { retryable: true });
        return outcome;
      },
    });
    const overtaken = adding([id], { actionType: 'own', config: {}, changes: 'values' });
    const later = adding([id]);
    await harness.publish(overtaken, later);
    await harness.start(registry);
    const [made] = await harness.awaitResults(1, later.actionId);
    expect(effects(made!)).toEqual([['updated', 3]]);
    isLost = false;
    const [result] = await harness.awaitResults(1, overtaken.actionId);
    expect(effects(result!)).toEqual([['updated', 2]]);
    expect(keptOf(result!)).toEqual([{ before: { score: null }, after: { score: 5 } }]);
    expect(await harness.contact(id)).toMatchObject({ score: 10, version: 3 });
  });
});

describe('an undo', () => {
  it('puts back once what is unchanged since, however often its batch is delivered or replayed', async () => {
    harness = await HandlerHarness.create();
    const [updated, deleted, created, changed, same, other] = idsIn(0, 6) as [
      string,
      string,
      string,
      string,
      string,
      string,
    ];
    await harness.givenContacts([updated, deleted, changed, same, other]);
    const longAgo = new Date(0).toISOString();
    await harness.database.entities('contacts').updateOne({ id: other }, { $set: { createdAt: new Date() } });
    await harness.database.entities('contacts').updateOne({ id: same }, { $set: { city: 'Bonn' } });
    const start = await harness.contact(deleted);
    const common = { changes: 'values' } as const;
    const set = { city: 'Bonn' };
    const update = adding([updated, changed, same], { ...common, config: { set } });
    const removal = adding([deleted], { ...common, actionType: 'delete', config: {} });
    const addition = adding([created], {
      ...common,
      actionType: 'create',
      config: { set: { lastName: 'New' } },
    });
    const later = adding([changed], { config: { set: { city: 'Ulm' } }, changes: 'fields' });
    await harness.publish(update, removal, addition, later);
    await harness.start();
    const actions = [update, removal, addition, later].map(({ actionId }) => actionId);
    const results = await harness.awaitResults(4, ...actions);
    const bonn = { before: { city: null }, after: set };
    expect(actions.map((id) => keptOf(results.find(({ actionId }) => actionId === id)!))).toEqual([
      [bonn, bonn, null],
      [{ before: { lastName: 'Before' }, after: {} }],
      [{ before: {}, after: { lastName: 'New' } }],
      [{ fields: ['city'] }],
    ]);

    const undo: GivenBatch = {
      ...common,
      actionId: randomUUID(),
      batchNo: 0,
      partition: 0,
      actionType: 'undo',
      entities: [
        entity(0, updated, { effect: 'updated', version: 2, before: { city: null } }),
        entity(1, changed, { effect: 'updated', version: 2, before: { city: null } }),
        entity(2, deleted, { effect: 'deleted', version: 2, before: { lastName: 'Before' } }),
        entity(3, created, { effect: 'created', version: 1, before: {} }),
        entity(4, same, { effect: 'updated', version: 1, before: { shoeSize: 43 } }),
        // The record of the action was deleted long ago, and its tombstone has expired.
        entity(5, other, { effect: 'created', version: 1, at: longAgo, before: {} }),
      ],
    };
    const foretold = { ...undo, actionId: randomUUID(), dryRun: true };
    await harness.publish(foretold);
    await harness.awaitResults(1, foretold.actionId);
    await harness.publish(undo, { ...undo, generation: 1 });
    const undone = await harness.awaitResults(3, undo.actionId, foretold.actionId);
    for (const result of undone) {
      expect(effects(result)).toEqual([
        ['updated', 3],
        [null, null],
        ['created', 3],
        ['deleted', 2],
        [null, null],
        [null, null],
      ]);
      expect(keptOf(result)).toEqual([
        { before: set, after: { city: null } },
        null,
        { before: {}, after: { lastName: 'Before' } },
        { before: { lastName: 'New' }, after: {} },
        null,
        null,
      ]);
      expect(
        result.outcomes.map(({ code, message }) => [code, message]).filter(([code]) => code !== null),
      ).toEqual([
        ['CHANGED_SINCE', 'the action left version 2, and the contact has version 3'],
        ['INVALID_ENTITY', 'shoeSize: a contact no longer has it'],
        [
          'CHANGED_SINCE',
          'the contact that the action changed is gone, and another one has had its id since',
        ],
      ]);
    }
    const after = await harness.contacts();
    expect(await harness.contact(deleted)).toMatchObject({ lastName: start!['lastName'], version: 3 });
    expect((await harness.contact(updated))?.['city']).toBeUndefined();
    expect(await harness.contact(changed)).toMatchObject({ city: 'Ulm', version: 3 });
    expect(await harness.contact(created)).toMatchObject({ deletedAt: expect.any(Date), version: 2 });

    await harness.stop();
    await harness.rewind();
    await harness.start();
    const again = (await harness.awaitResults(4, undo.actionId)).slice(2);
    expect(again.map(({ outcomes }) => outcomes)).toEqual(again.map(() => undone.at(-1)?.outcomes));
    expect(await harness.contacts()).toEqual(after);
  });
});
