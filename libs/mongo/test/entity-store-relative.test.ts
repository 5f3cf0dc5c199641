import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { ChangeResult, EntityChange, EntityStore, RelativeChange } from '@bulk/action-types';
import type { Database } from '../src/database.ts';
import { MongoEntityStore } from '../src/entity-store.ts';
import { create, EntityFixture, now, remove, scope, update, upsert } from './entity-fixture.ts';

let fixture: EntityFixture;
beforeAll(async () => {
  fixture = await EntityFixture.create();
});
beforeEach(() => fixture.clear());
afterAll(() => fixture.installation.dispose());

const add = (by: number): Record<string, RelativeChange> => ({ score: { kind: 'increment', by } });
const tag = (...values: string[]): Record<string, RelativeChange> => ({
  tags: { kind: 'addToList', values },
});

function relative(entityId: string, changes: Record<string, RelativeChange>): EntityChange {
  return { kind: 'update', entityId, set: {}, unset: [], relative: changes };
}

/** Returns what each applied change did; the kind of each other result. */
const done = (results: readonly ChangeResult[]) =>
  results.map((result) => (result.kind === 'applied' ? [result.effect, result.version] : result.kind));

describe('MongoEntityStore, relative changes', () => {
  it('reads only entities with relative changes, once for all batches that are written together', async () => {
    for (const id of ['c1', 'c2', 'c3']) await fixture.given('acme', id, { lastName: 'A', score: 1 });
    const write = (store: EntityStore, offset: number, ids: readonly string[]) =>
      store.write(scope(offset), [
        relative(ids[0]!, add(2)),
        ...ids.slice(1).map((id) => update(id, { city: 'B' })),
      ]);
    const operations = await fixture.operationsOf(async (store) => {
      const results = await Promise.all([write(store, 5, ['c1', 'c2']), write(store, 6, ['c3'])]);
      expect(results.map(done)).toEqual([
        [
          ['updated', 2],
          ['updated', undefined],
        ],
        [['updated', 2]],
      ]);
    });
    expect(operations).toEqual(['find', 'bulkWrite']);
    expect(await fixture.stored('c1')).toEqual({
      _id: 'acme:c1',
      accountId: 'acme',
      id: 'c1',
      version: 2,
      lastName: 'A',
      score: 3,
      fence: { normal: { partition: 1, offset: 5, trail: { effect: 'updated', version: 2 } } },
      createdAt: new Date(0),
      updatedAt: now,
    });
  });

  it('returns the same effects and versions on a replay, and changes nothing', async () => {
    await fixture.given('acme', 'c1', { lastName: 'A', score: 1 });
    await fixture.given('acme', 'c2', { lastName: 'A', tags: ['a'] });
    await fixture.given('acme', 'c3', { lastName: 'A', score: 99 });
    await fixture.given('acme', 'c4', { lastName: 'A', score: 'none' });
    await fixture.write(scope(4), [create('c5', { lastName: 'Gone' }), create('c6', { lastName: 'A' })]);
    await fixture.write(scope(5), [remove('c5')]);
    const record = { lastName: 'New', score: 2 };
    const upserts = ['c5', 'c6', 'c7'].map(
      (id): EntityChange =>
        ({ ...upsert(id, { lastName: 'New' }, record), relative: add(2) }) as EntityChange,
    );
    const changes = [
      relative('c1', { ...add(-3), ...tag('a', 'b') }),
      relative('c2', tag('a')),
      relative('c3', add(2)),
      relative('c4', add(1)),
      ...upserts,
      relative('gone', add(1)),
    ];
    const expected = [
      'invalid',
      ['unchanged', 1],
      'invalid',
      'invalid',
      ['created', 3],
      ['updated', 2],
      ['created', 1],
      'not-found',
    ];
    expect(done(await fixture.dryRun.write(scope(6), changes))).toEqual(expected);
    expect(done(await fixture.store.write(scope(6), changes))).toEqual(expected);
    const first = await fixture.all();
    expect(first.map((one) => [one.id, one['score'], one['tags']])).toEqual([
      ['c1', 1, undefined],
      ['c2', undefined, ['a']],
      ['c3', 99, undefined],
      ['c4', 'none', undefined],
      ['c5', 2, undefined],
      ['c6', 2, undefined],
      ['c7', 2, undefined],
    ]);
    expect(done(await fixture.store.write(scope(6), changes))).toEqual(expected);
    expect(await fixture.all()).toEqual(first);
  });

  it('loses no increment to another lane that writes at the same time', async () => {
    await fixture.given('acme', 'c1', { lastName: 'A', score: 0 });
    const lanes = ['high', 'normal', 'low'] as const;
    await Promise.all(
      lanes.map((lane) =>
        // A lane applies its batches of an entity one after the other.
        [1, 2, 3, 4].reduce<Promise<unknown>>(
          (before, offset) =>
            before.then(() => fixture.store.write(scope(offset, lane), [relative('c1', add(1))])),
          Promise.resolve(),
        ),
      ),
    );
    expect(await fixture.stored('c1')).toMatchObject({ score: 12, version: 13 });
  });

  it('makes a change once for an action that comes from another place', async () => {
    await fixture.given('acme', 'c1', { lastName: 'A', tags: ['a'] });
    const of = (offset: number, actionId: string, at = now) => ({ ...scope(offset), actionId, now: at });
    const write = (...args: Parameters<typeof of>) =>
      fixture.store.write(of(...args), [relative('c1', { ...add(1), ...tag('a') })]).then(done);
    expect(await write(1, 'one')).toEqual([['updated', 2]]);
    expect(await write(2, 'two')).toEqual([['updated', 3]]);
    expect(await write(3, 'one')).toEqual([['updated', 2]]);
    expect(await fixture.store.write(of(4, 'three'), [relative('c1', tag('a'))]).then(done)).toEqual([
      ['unchanged', 3],
    ]);
    await fixture.store.write(of(5, 'four'), [
      relative('c1', { tags: { kind: 'removeFromList', values: ['a'] } }),
    ]);
    expect(await fixture.store.write(of(6, 'three'), [relative('c1', tag('a'))]).then(done)).toEqual([
      ['unchanged', 3],
    ]);
    expect(await fixture.stored('c1')).toMatchObject({ score: 2, tags: [], version: 4 });
  });

  it('remembers the last 100 actions', async () => {
    const applied = Array.from({ length: 100 }, (_, i) => ({
      actionId: `old-${i}`,
      effect: 'updated',
      version: 1,
      at: new Date(0),
    }));
    await fixture.given('acme', 'c1', { lastName: 'A', score: 1, applied });
    await fixture.store.write({ ...scope(1), actionId: 'new' }, [relative('c1', add(1))]);
    const kept = (await fixture.stored('c1'))?.applied?.map(({ actionId }) => actionId);
    expect(kept).toEqual([...applied.slice(1).map(({ actionId }) => actionId), 'new']);
  });

  it('keeps the mark that another lane left without raising the version', async () => {
    await fixture.given('acme', 'c1', { lastName: 'A', tags: ['a'] });
    const high = { ...scope(1, 'high'), actionId: 'high' };
    const entities = (name: string) => {
      const collection = fixture.database.entities(name);
      let isFirst = true;
      const bulkWrite = async (...args: Parameters<typeof collection.bulkWrite>): Promise<unknown> => {
        // Between the read and the write of lane normal.
        if (isFirst)
          expect(await fixture.store.write(high, [relative('c1', tag('a'))]).then(done)).toEqual(UNCHANGED);
        isFirst = false;
        return collection.bulkWrite(...args);
      };
      return Object.create(collection, { bulkWrite: { value: bulkWrite } }) as typeof collection;
    };
    const observed = Object.create(fixture.database, { entities: { value: entities } }) as Database;
    const normal = { ...scope(1), actionId: 'normal' };
    const results = await new MongoEntityStore(observed).write(normal, [relative('c1', add(1))]);
    expect(done(results)).toEqual([['updated', 2]]);
    const marks = (await fixture.stored('c1'))?.applied?.map(({ actionId }) => actionId);
    expect(marks).toEqual(['high', 'normal']);
  });

  it.each([
    ['written blindly', create('c1', { lastName: 'B' })],
    ['read first', { ...upsert('c1', { lastName: 'B' }), relative: add(5) } as EntityChange],
  ])('finds the mark of an action after a deletion, and after a creation that is %s', async (_, creation) => {
    await fixture.given('acme', 'c1', { lastName: 'A' });
    const write = (offset: number, actionId: string, change: EntityChange) =>
      fixture.store.write({ ...scope(offset), actionId }, [change]).then(done);
    expect(await write(1, 'one', relative('c1', add(1)))).toEqual([['updated', 2]]);
    expect(await write(2, 'two', remove('c1'))).toEqual([['deleted', undefined]]);
    expect(await write(3, 'one', relative('c1', add(1)))).toEqual([['updated', 2]]);
    await write(4, 'four', creation);
    expect(await write(5, 'one', relative('c1', add(1)))).toEqual([['updated', 2]]);
    expect(await fixture.stored('c1')).toMatchObject({ lastName: 'B', version: 4 });
    expect(await write(6, 'six', relative('c1', add(1)))).toEqual([['updated', 5]]);
  });

  it('leaves no list of marks in the tombstone of an entity that had none', async () => {
    await fixture.given('acme', 'c1', { lastName: 'A' });
    await fixture.write(scope(1), [remove('c1')]);
    expect(Object.keys((await fixture.stored('c1')) ?? {})).not.toContain('applied');
  });

  it('counts an entity without a version as version 0, and loses no change of it', async () => {
    const entities = fixture.database.entities('contacts');
    const unversioned = async (...ids: readonly string[]): Promise<void> => {
      for (const id of ids) await fixture.given('acme', id, { lastName: 'A', score: 0 });
      await entities.updateMany({ id: { $in: [...ids] } }, { $unset: { version: '' } });
    };
    await unversioned('c1', 'c2', 'c3');
    const lanes = ['high', 'normal', 'low'] as const;
    await Promise.all(
      lanes.map((lane) =>
        new MongoEntityStore(fixture.database).write(scope(1, lane), [relative('c1', add(1))]),
      ),
    );
    expect(await fixture.stored('c1')).toMatchObject({ score: 3, version: 3 });
    const same = { score: { kind: 'increment', by: 0 } } as const;
    const results = await fixture.store.write(scope(2), [relative('c2', same), remove('c3')]);
    expect(done(results)).toEqual([
      ['unchanged', 0],
      ['deleted', undefined],
    ]);
    expect(await fixture.stored('c3')).toMatchObject({ version: 1 });
  });
});

const UNCHANGED = [['unchanged', 1]];
