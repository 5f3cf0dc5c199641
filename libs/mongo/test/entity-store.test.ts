import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { company, contact } from '@bulk/actions';
import { SupersededError, type Lane } from '@bulk/domain';
import { TestInstallation } from '@bulk/testing';
import { ensureIndexes } from '../src/indexes.ts';
import { entityKey, type EntityDocument } from '../src/documents.ts';
import type { Database } from '../src/database.ts';
import { MongoEntityStore } from '../src/entity-store.ts';

let installation: TestInstallation;
let database: Database;
let store: MongoEntityStore;

beforeAll(async () => {
  installation = await TestInstallation.create('entity-store');
  database = await installation.database();
  await ensureIndexes(database, [contact, company]);
  store = new MongoEntityStore(database);
});
afterAll(() => installation.dispose());

const now = new Date('2026-01-02T03:04:05Z');
const scope = (offset: number, lane: Lane = 'normal', entityType = contact, accountId = 'acme') => ({
  accountId,
  entityType,
  at: { lane, partition: 1, offset },
  now,
});
const set = (entityId: string, fields: Record<string, unknown>, unset: string[] = []) => ({
  entityId,
  set: fields,
  unset,
});

async function given(
  accountId: string,
  id: string,
  fields: Record<string, unknown>,
  type = contact,
): Promise<void> {
  const created = new Date(0);
  await database.entities(type.collection).insertOne({
    _id: entityKey(accountId, id),
    accountId,
    id,
    version: 1,
    createdAt: created,
    updatedAt: created,
    ...fields,
  });
}
const stored = (id: string, type = contact): Promise<EntityDocument | null> =>
  database.entities(type.collection).findOne({ _id: entityKey('acme', id) });

describe('MongoEntityStore.update', () => {
  beforeEach(async () => {
    await database.entities('contacts').deleteMany({});
    await database.entities('companies').deleteMany({});
  });

  it('sets and clears fields, raises the version, leaves the fence and the rest alone', async () => {
    await given('acme', 'c1', { lastName: 'Old', city: 'Bonn', score: 3 });
    const results = await store.update(scope(5), [set('c1', { lastName: 'New' }, ['city'])]);
    expect(results).toEqual(['applied']);
    expect(await stored('c1')).toEqual({
      _id: 'acme:c1',
      accountId: 'acme',
      id: 'c1',
      version: 2,
      lastName: 'New',
      score: 3,
      fence: { normal: { partition: 1, offset: 5 } },
      createdAt: new Date(0),
      updatedAt: now,
    });
  });

  it('answers in the order of the changes, also when some entities are not there', async () => {
    await given('acme', 'c2', { lastName: 'A' });
    await given('acme', 'c4', { lastName: 'A' });
    const changes = ['c1', 'c2', 'c3', 'c4'].map((id) => set(id, { lastName: 'B' }));
    expect(await store.update(scope(1), changes)).toEqual(['not-found', 'applied', 'not-found', 'applied']);
    expect(await store.update(scope(1), [])).toEqual([]);
  });

  it("does not see another account's entity", async () => {
    await given('other', 'c1', { lastName: 'Theirs' });
    expect(await store.update(scope(1), [set('c1', { lastName: 'Mine' })])).toEqual(['not-found']);
    const theirs = await database.entities('contacts').findOne({ _id: 'other:c1' });
    expect(theirs?.['lastName']).toBe('Theirs');
  });

  it('changes nothing on a replay and answers as the first run did', async () => {
    await given('acme', 'c1', { lastName: 'A' });
    const changes = [set('c1', { lastName: 'B' }), set('gone', { lastName: 'B' })];
    expect(await store.update(scope(7), changes)).toEqual(['applied', 'not-found']);
    const first = await stored('c1');
    expect(await store.update({ ...scope(7), now: new Date() }, changes)).toEqual(['applied', 'not-found']);
    expect(await stored('c1')).toEqual(first);
  });

  it('finishes a batch of which a crash left a part undone', async () => {
    await given('acme', 'c1', { lastName: 'A' });
    await given('acme', 'c2', { lastName: 'A' });
    await store.update(scope(7), [set('c1', { lastName: 'B' })]);
    const whole = [set('c1', { lastName: 'B' }), set('c2', { lastName: 'B' })];
    expect(await store.update(scope(7), whole)).toEqual(['applied', 'applied']);
    expect((await stored('c1'))?.version).toBe(2);
    expect((await stored('c2'))?.version).toBe(2);
  });

  it('refuses a batch that a later one of its lane has overtaken, and changes nothing', async () => {
    await given('acme', 'c1', { lastName: 'A' });
    await store.update(scope(9), [set('c1', { lastName: 'Later' })]);
    await expect(store.update(scope(8), [set('c1', { lastName: 'Earlier' })])).rejects.toThrow(
      SupersededError,
    );
    expect((await stored('c1'))?.['lastName']).toBe('Later');
  });

  it('keeps a fence per lane: lanes do not order each other', async () => {
    await given('acme', 'c1', { lastName: 'A' });
    await store.update(scope(900, 'low'), [set('c1', { lastName: 'Low' })]);
    expect(await store.update(scope(2, 'high'), [set('c1', { lastName: 'High' })])).toEqual(['applied']);
    expect((await stored('c1'))?.fence).toEqual({
      low: { partition: 1, offset: 900 },
      high: { partition: 1, offset: 2 },
    });
  });

  it('fails only the entity whose unique value belongs to another, the first time and on a replay', async () => {
    await given('acme', 'k1', { name: 'One', domain: 'one.example' }, company);
    await given('acme', 'k2', { name: 'Two', domain: 'two.example' }, company);
    await given('acme', 'k3', { name: 'Three' }, company);
    const changes = [
      set('k2', { domain: 'one.example' }),
      set('k3', { domain: 'three.example' }),
      set('k4', { domain: 'four.example' }),
    ];
    const expected = ['unique-violation', 'applied', 'not-found'];
    expect(await store.update(scope(3, 'normal', company), changes)).toEqual(expected);
    expect(await store.update(scope(3, 'normal', company), changes)).toEqual(expected);
    expect((await stored('k2', company))?.['domain']).toBe('two.example');
    expect((await stored('k3', company))?.['domain']).toBe('three.example');
  });

  it('lets two accounts have the same unique value', async () => {
    await given('acme', 'k1', { name: 'One', domain: 'one.example' }, company);
    await given('other', 'k1', { name: 'One' }, company);
    const update = store.update(scope(1, 'normal', company, 'other'), [set('k1', { domain: 'one.example' })]);
    await expect(update).resolves.toEqual(['applied']);
  });
});
