import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { company } from '@bulk/action-types';
import { SupersededError } from '@bulk/domain';
import { create, EntityFixture, now, remove, scope, update } from './entity-fixture.ts';

let fixture: EntityFixture;
beforeAll(async () => {
  fixture = await EntityFixture.create();
});
beforeEach(() => fixture.clear());
afterAll(() => fixture.installation.dispose());

const companies = (offset: number) => scope(offset, 'normal', company);

describe('MongoEntityStore, create', () => {
  it('adds an entity with its identity, its first version and its fence, in one round trip', async () => {
    const operations = await fixture.operationsOf(async (store) => {
      const results = await store.write(scope(5), [create('c1', { lastName: 'New', score: 3 })]);
      expect(results).toEqual([{ kind: 'applied', effect: 'created', version: 1 }]);
    });
    expect(operations).toEqual(['bulkWrite']);
    expect(await fixture.stored('c1')).toEqual({
      _id: 'acme:c1',
      accountId: 'acme',
      id: 'c1',
      version: 1,
      lastName: 'New',
      score: 3,
      fence: { normal: { partition: 1, offset: 5, born: 5 } },
      createdAt: now,
      updatedAt: now,
    });
  });

  it('does not change an existing entity, also if a batch of another lane has created it', async () => {
    await fixture.given('acme', 'c1', { lastName: 'Old' });
    await fixture.write(scope(1, 'low'), [create('c2', { lastName: 'Low' })]);
    const before = await fixture.all();
    const changes = ['c1', 'c2', 'c3'].map((id) => create(id, { lastName: 'New' }));
    expect(await fixture.write(scope(5), changes)).toEqual(['exists', 'exists', 'applied']);
    expect((await fixture.all()).slice(0, 2)).toEqual(before);
  });

  it("does not conflict with another account's entity of the same id", async () => {
    await fixture.given('other', 'c1', { lastName: 'Theirs' });
    expect(await fixture.write(scope(1), [create('c1', { lastName: 'Mine' })])).toEqual(['applied']);
  });

  it('recognises its own record on a replay, and changes nothing', async () => {
    await fixture.given('acme', 'c2', { lastName: 'Old' });
    const changes = [create('c1', { lastName: 'New' }), create('c2', { lastName: 'New' })];
    expect(await fixture.write(scope(5), changes)).toEqual(['applied', 'exists']);
    const first = await fixture.all();
    expect(await fixture.write({ ...scope(5), now: new Date() }, changes)).toEqual(['applied', 'exists']);
    expect(await fixture.all()).toEqual(first);
  });

  it('fails only the entity whose unique value belongs to another, the first time and on a replay', async () => {
    await fixture.given('acme', 'k1', { name: 'One', domain: 'one.example' }, company);
    const changes = [
      create('k2', { name: 'Two', domain: 'one.example' }),
      create('k3', { name: 'Three', domain: 'three.example' }),
      // An existing entity also collides with its own value. The result must be that it exists.
      create('k1', { name: 'One', domain: 'one.example' }),
    ];
    const expected = ['unique-violation', 'applied', 'exists'];
    expect(await fixture.write(companies(3), changes)).toEqual(expected);
    expect(await fixture.write(companies(3), changes)).toEqual(expected);
    expect(await fixture.stored('k2', company)).toBeNull();
  });

  it('revives a deleted entity with the next version and its fences, and no other field', async () => {
    await fixture.given('acme', 'c1', { lastName: 'Old', city: 'Bonn', version: 7 });
    await fixture.write(scope(900, 'low'), [update('c1', { score: 1 })]);
    await fixture.write(scope(5), [remove('c1')]);
    const later = new Date('2026-02-02T00:00:00Z');
    const created = await fixture.write({ ...scope(6), now: later }, [create('c1', { lastName: 'New' })]);
    expect(created).toEqual(['applied']);
    expect(await fixture.stored('c1')).toEqual({
      _id: 'acme:c1',
      accountId: 'acme',
      id: 'c1',
      version: 10,
      lastName: 'New',
      fence: { low: { partition: 1, offset: 900 }, normal: { partition: 1, offset: 6 } },
      createdAt: later,
      updatedAt: later,
    });
  });

  it('fails when the revived entity would have the unique value of another', async () => {
    await fixture.given('acme', 'k1', { name: 'One', domain: 'one.example' }, company);
    await fixture.given('acme', 'k2', { name: 'Two' }, company);
    await fixture.write(companies(1), [remove('k2')]);
    const tombstone = await fixture.stored('k2', company);
    const changes = [create('k2', { name: 'Two', domain: 'one.example' })];
    expect(await fixture.write(companies(2), changes)).toEqual(['unique-violation']);
    expect(await fixture.stored('k2', company)).toEqual(tombstone);
  });

  it('restores nothing and reports nothing when its handler had stalled (G5)', async () => {
    await fixture.write(scope(5), [create('c1', { lastName: 'First' })]);
    await fixture.write(scope(6), [remove('c1')]);
    const tombstone = await fixture.stored('c1');
    const zombie = fixture.write(scope(5), [create('c1', { lastName: 'First' })]);
    await expect(zombie).rejects.toThrow(SupersededError);
    expect(await fixture.stored('c1')).toEqual(tombstone);
  });

  it('is a success on a replay although another lane has deleted the entity since', async () => {
    const changes = [create('c1', { lastName: 'New' })];
    await fixture.write(scope(5), changes);
    await fixture.write(scope(1, 'high'), [remove('c1')]);
    const tombstone = await fixture.stored('c1');
    expect(await fixture.write(scope(5), changes)).toEqual(['applied']);
    expect(await fixture.stored('c1')).toEqual(tombstone);
  });
});
