import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { company } from '@bulk/action-types';
import { SupersededError } from '@bulk/domain';
import { create, EntityFixture, now, remove, scope, upsert } from './entity-fixture.ts';

let fixture: EntityFixture;
beforeAll(async () => {
  fixture = await EntityFixture.create();
});
beforeEach(() => fixture.clear());
afterAll(() => fixture.installation.dispose());

describe('MongoEntityStore, upsert', () => {
  it('changes existing entities and adds absent ones, in one round trip', async () => {
    await fixture.given('acme', 'c1', { lastName: 'Old', city: 'Bonn', score: 3 });
    const changes = [
      upsert('c1', { lastName: 'New' }, { lastName: 'New', status: 'active' }, ['city']),
      upsert('c2', { lastName: 'New' }, { lastName: 'New', status: 'active' }, ['city']),
    ];
    const operations = await fixture.operationsOf((store) => store.write(scope(5), changes));
    expect(operations).toEqual(['bulkWrite']);
    const fence = { partition: 1, offset: 5 };
    expect(await fixture.all()).toEqual([
      {
        _id: 'acme:c1',
        accountId: 'acme',
        id: 'c1',
        version: 2,
        lastName: 'New',
        score: 3,
        fence: { normal: fence },
        createdAt: new Date(0),
        updatedAt: now,
      },
      {
        _id: 'acme:c2',
        accountId: 'acme',
        id: 'c2',
        version: 1,
        lastName: 'New',
        status: 'active',
        fence: { normal: { ...fence, born: 5 } },
        createdAt: now,
        updatedAt: now,
      },
    ]);
  });

  it('adds nothing without a whole record', async () => {
    await fixture.given('acme', 'c1', { lastName: 'Old' });
    const changes = [upsert('c1', { score: 1 }, null), upsert('c2', { score: 1 }, null)];
    expect(await fixture.write(scope(5), changes)).toEqual(['applied', 'not-found']);
    expect(await fixture.stored('c2')).toBeNull();
  });

  it('adds nothing when a version is expected', async () => {
    await fixture.given('acme', 'c1', { lastName: 'Old', version: 2 });
    const changes = ['c1', 'c2'].map((id) => ({ ...upsert(id, { lastName: 'New' }), expectedVersion: 3 }));
    expect(await fixture.write(scope(5), changes)).toEqual(['version-conflict 2', 'not-found']);
    expect(await fixture.stored('c2')).toBeNull();
  });

  it('returns the results of the first run on a replay, and changes nothing', async () => {
    await fixture.given('acme', 'c1', { lastName: 'Old', version: 2 });
    const changes = [
      { ...upsert('c1', { lastName: 'New' }), expectedVersion: 2 },
      upsert('c2', { lastName: 'New' }),
      upsert('c3', { score: 1 }, null),
    ];
    const expected = ['applied', 'applied', 'not-found'];
    expect(await fixture.write(scope(5), changes)).toEqual(expected);
    const first = await fixture.all();
    expect(await fixture.write({ ...scope(5), now: new Date() }, changes)).toEqual(expected);
    expect(await fixture.all()).toEqual(first);
  });

  it('revives a deleted entity, and recognises its own change on a replay', async () => {
    await fixture.given('acme', 'c1', { lastName: 'Old', city: 'Bonn', version: 4 });
    await fixture.given('acme', 'c2', { lastName: 'Old' });
    await fixture.write(scope(5), [remove('c1')]);
    const changes = [
      upsert('c1', { score: 1 }, { lastName: 'New', score: 1 }, ['city']),
      upsert('c2', { lastName: 'New' }),
      upsert('c3', { lastName: 'New' }),
    ];
    const expected = ['applied', 'applied', 'applied'];
    expect(await fixture.write(scope(6), changes)).toEqual(expected);
    expect(await fixture.stored('c1')).toEqual({
      _id: 'acme:c1',
      accountId: 'acme',
      id: 'c1',
      version: 6,
      lastName: 'New',
      score: 1,
      fence: { normal: { partition: 1, offset: 6, trail: { effect: 'created', version: 6 } } },
      createdAt: now,
      updatedAt: now,
    });
    const first = await fixture.all();
    expect(await fixture.write({ ...scope(6), now: new Date() }, changes)).toEqual(expected);
    expect(await fixture.all()).toEqual(first);
  });

  it('treats a deleted entity as absent without a whole record', async () => {
    await fixture.given('acme', 'c1', { lastName: 'Old' });
    await fixture.write(scope(5), [remove('c1')]);
    expect(await fixture.write(scope(6), [upsert('c1', { score: 1 }, null)])).toEqual(['not-found']);
  });

  it('fails only the entity whose unique value belongs to another, if it is changed, added or revived', async () => {
    const at = (offset: number) => scope(offset, 'normal', company);
    await fixture.given('acme', 'k1', { name: 'One', domain: 'one.example' }, company);
    await fixture.given('acme', 'k2', { name: 'Two' }, company);
    await fixture.given('acme', 'k3', { name: 'Three' }, company);
    await fixture.write(at(1), [remove('k3')]);
    const before = await fixture.all(company);
    const changes = ['k2', 'k3', 'k4'].map((id) => upsert(id, { name: 'New', domain: 'one.example' }));
    const expected = changes.map(() => 'unique-violation');
    expect(await fixture.write(at(2), changes)).toEqual(expected);
    expect(await fixture.write(at(2), changes)).toEqual(expected);
    expect(await fixture.all(company)).toEqual(before);
  });

  it('restores nothing and reports nothing when its handler had stalled (G5)', async () => {
    await fixture.write(scope(5), [upsert('c1', { lastName: 'First' })]);
    await fixture.write(scope(6), [remove('c1')]);
    const tombstone = await fixture.stored('c1');
    const zombie = fixture.write(scope(5), [upsert('c1', { lastName: 'First' })]);
    await expect(zombie).rejects.toThrow(SupersededError);
    expect(await fixture.stored('c1')).toEqual(tombstone);
    await fixture.write(scope(7), [create('c1', { lastName: 'Later' })]);
    await expect(fixture.write(scope(5), [upsert('c1', { lastName: 'First' })])).rejects.toThrow(
      SupersededError,
    );
    expect((await fixture.stored('c1'))?.['lastName']).toBe('Later');
  });
});
