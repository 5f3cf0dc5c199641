import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { BatchResult } from '@bulk/contracts';
import type { Entity } from '@bulk/domain';
import { entity, HandlerHarness, idsIn, type GivenBatch } from './harness.ts';

let harness: HandlerHarness;
beforeEach(async () => {
  harness = await HandlerHarness.create();
});
afterEach(() => harness.installation.dispose());

describe('a redelivery', () => {
  it('reports the outcomes of the first run and changes nothing again (G2)', async () => {
    const [known, unknown, twice] = idsIn(0, 3) as [string, string, string];
    await harness.givenContacts([known, twice]);
    const actionId = randomUUID();
    const rename = { lastName: 'After' };
    await harness.publish(
      {
        actionId,
        batchNo: 0,
        partition: 0,
        entities: [entity(0, known, rename), entity(1, unknown, rename), entity(2, twice, rename)],
      },
      {
        actionId,
        batchNo: 1,
        partition: 0,
        entities: [entity(3, twice, rename), entity(4, known, { email: 1 })],
      },
    );
    await harness.start();
    const first = await harness.awaitResults(2, actionId);
    const before = await harness.contact(known);
    await harness.stop();
    await harness.rewind();
    await harness.start();
    const all = await harness.awaitResults(4, actionId);
    const again = all.slice(2);
    expect(again.map(({ resultId }) => resultId)).toEqual(first.map(({ resultId }) => resultId));
    expect(again.map(({ outcomes }) => outcomes)).toEqual(first.map(({ outcomes }) => outcomes));
    expect(await harness.contact(known)).toEqual(before);
  });

  it('recognises its own record, version and tombstone (G2)', async () => {
    const ids = idsIn(0, 7);
    const [updated, deleted, upserted] = ids as [string, string, string];
    const [made, added, there, gone] = ids.slice(3) as [string, string, string, string];
    await harness.givenContacts([updated, deleted, upserted, there]);
    const actions: string[] = Array.from({ length: 4 }, () => randomUUID());
    const batch = (i: number, actionType: string, entities: Entity[]): GivenBatch => ({
      actionId: actions[i]!,
      batchNo: 0,
      partition: 0,
      actionType,
      entities,
    });
    await harness.publish(
      batch(0, 'update', [entity(0, updated, { city: 'Bonn', expectedVersion: 1 })]),
      batch(1, 'create', [entity(0, made, { lastName: 'New' }), entity(1, there, { lastName: 'New' })]),
      batch(2, 'upsert', [
        entity(0, upserted, { city: 'Bonn', expectedVersion: 1 }),
        entity(1, added, { lastName: 'New' }),
        entity(2, gone, { city: 'Bonn' }),
      ]),
      batch(3, 'delete', [entity(0, deleted, { expectedVersion: 1 }), entity(1, gone, {})]),
    );
    // The four batches are one group, so their results come in any order.
    const inOrder = (results: readonly BatchResult[]): BatchResult[] =>
      results.toSorted((a, b) => actions.indexOf(a.actionId) - actions.indexOf(b.actionId));
    await harness.start();
    const first = inOrder(await harness.awaitResults(4, ...actions));
    expect(first.map(({ outcomes }) => outcomes.map(({ code }) => code))).toEqual([
      [null],
      [null, 'ENTITY_EXISTS'],
      [null, null, 'INVALID_ENTITY'],
      [null, 'ENTITY_NOT_FOUND'],
    ]);
    const before = await harness.contacts();
    await harness.stop();
    await harness.rewind();
    await harness.start();
    const again = inOrder((await harness.awaitResults(8, ...actions)).slice(4));
    expect(again.map(({ outcomes }) => outcomes)).toEqual(first.map(({ outcomes }) => outcomes));
    expect(await harness.contacts()).toEqual(before);
  });

  it('of a create does not restore an entity that a later batch has deleted (G5)', async () => {
    const [id, other] = idsIn(0, 2) as [string, string];
    const [creation, deletion] = [randomUUID(), randomUUID()];
    await harness.publish(
      {
        actionId: creation,
        batchNo: 0,
        partition: 0,
        actionType: 'create',
        entities: [entity(0, id, { lastName: 'New' })],
      },
      {
        actionId: deletion,
        batchNo: 0,
        partition: 0,
        actionType: 'delete',
        entities: [entity(0, id, {}), entity(1, other, {})],
      },
    );
    await harness.start();
    await harness.awaitResults(2, creation, deletion);
    const before = await harness.contacts();
    expect(before).toHaveLength(1);
    expect(before[0]).toMatchObject({ id, version: 2, deletedAt: before[0]?.updatedAt });
    await harness.stop();
    await harness.rewind();
    await harness.start();
    const results = await harness.awaitResults(3, creation, deletion);
    expect(results.map(({ actionId }) => actionId)).toEqual([creation, deletion, deletion]);
    expect(results[2]?.outcomes).toEqual(results[1]?.outcomes);
    expect(await harness.contacts()).toEqual(before);
  });

  it('finishes a batch that was left half done', async () => {
    const ids = idsIn(1, 6);
    await harness.givenContacts(ids);
    const actionId = randomUUID();
    const entities = ids.map((id, i) => entity(i, id, { lastName: 'After' }));
    // The state after a handler died during its bulk write: three of six are changed, nothing is
    // reported.
    await harness.database
      .entities('contacts')
      .updateMany(
        { id: { $in: ids.slice(0, 3) } },
        { $set: { lastName: 'After', 'fence.normal': { partition: 1, offset: 0 }, version: 2 } },
      );
    await harness.publish({ actionId, batchNo: 0, partition: 1, entities });
    await harness.start();
    const [result] = await harness.awaitResults(1, actionId);
    expect(result!.outcomes.map(({ status }) => status)).toEqual(ids.map(() => 'success'));
    for (const id of ids) expect(await harness.contact(id)).toMatchObject({ lastName: 'After', version: 2 });
  });
});
