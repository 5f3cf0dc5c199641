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

describe('MongoEntityStore, delete', () => {
  it('leaves a tombstone with identity, version and fences, but without any field', async () => {
    await fixture.given('acme', 'c1', { lastName: 'Old', city: 'Bonn', byHand: { deep: true }, version: 4 });
    await fixture.write(scope(900, 'low'), [update('c1', { score: 1 })]);
    expect(await fixture.write(scope(5), [remove('c1')])).toEqual(['applied']);
    expect(await fixture.stored('c1')).toEqual({
      _id: 'acme:c1',
      accountId: 'acme',
      id: 'c1',
      version: 6,
      fence: { low: { partition: 1, offset: 900 }, normal: { partition: 1, offset: 5 } },
      createdAt: new Date(0),
      updatedAt: now,
      deletedAt: now,
    });
  });

  it('leaves a fence on an entity that had none', async () => {
    await fixture.given('acme', 'c1', { lastName: 'Old' });
    await fixture.write(scope(5), [remove('c1')]);
    expect((await fixture.stored('c1'))?.fence).toEqual({ normal: { partition: 1, offset: 5 } });
  });

  it('recognises its own tombstone on a replay, and changes nothing', async () => {
    await fixture.given('acme', 'c1', { lastName: 'Old' });
    const changes = [remove('c1', 1), remove('gone')];
    expect(await fixture.write(scope(5), changes)).toEqual(['applied', 'not-found']);
    const first = await fixture.all();
    expect(await fixture.write({ ...scope(5), now: new Date() }, changes)).toEqual(['applied', 'not-found']);
    expect(await fixture.all()).toEqual(first);
  });

  it('makes the entity absent for later updates and deletes, also with an expected version', async () => {
    await fixture.given('acme', 'c1', { lastName: 'Old' });
    await fixture.write(scope(5), [remove('c1')]);
    const tombstone = await fixture.stored('c1');
    expect(await fixture.write(scope(6), [update('c1', { lastName: 'New' })])).toEqual(['not-found']);
    expect(await fixture.write(scope(7), [update('c1', { lastName: 'New' }, [], 2)])).toEqual(['not-found']);
    expect(await fixture.write(scope(8), [remove('c1')])).toEqual(['not-found']);
    expect(await fixture.write(scope(9), [remove('c1', 2)])).toEqual(['not-found']);
    expect(await fixture.stored('c1')).toEqual(tombstone);
  });

  it('deletes only an entity of the expected version', async () => {
    await fixture.given('acme', 'c1', { lastName: 'A', version: 4 });
    await fixture.given('acme', 'c2', { lastName: 'A', version: 4 });
    const changes = [remove('c1', 4), remove('c2', 5)];
    expect(await fixture.write(scope(1), changes)).toEqual(['applied', 'version-conflict 4']);
    expect((await fixture.stored('c1'))?.deletedAt).toEqual(now);
    expect(await fixture.stored('c2')).toMatchObject({ lastName: 'A', version: 4 });
  });

  // An update takes over the value, because the local SecantusDB frees such a value for updates and not for inserts.
  it('frees unique values', async () => {
    const at = (offset: number) => scope(offset, 'normal', company);
    await fixture.given('acme', 'k1', { name: 'One', domain: 'one.example' }, company);
    await fixture.given('acme', 'k2', { name: 'Two' }, company);
    await fixture.write(at(1), [remove('k1')]);
    const changes = [update('k2', { domain: 'one.example' })];
    expect(await fixture.write(at(2), changes)).toEqual(['applied']);
  });

  it('does not remove an entity that was created again while its handler stalled (G5)', async () => {
    await fixture.given('acme', 'c1', { lastName: 'Old' });
    await fixture.write(scope(5), [remove('c1')]);
    await fixture.write(scope(6), [create('c1', { lastName: 'New' })]);
    await expect(fixture.write(scope(5), [remove('c1')])).rejects.toThrow(SupersededError);
    expect(await fixture.stored('c1')).toMatchObject({ lastName: 'New', version: 3 });
  });

  it('keeps tombstones for longer than a batch can arrive, by an index without living entities', async () => {
    const indexes = await fixture.database.entities('contacts').indexes();
    expect(indexes).toContainEqual(
      expect.objectContaining({
        key: { deletedAt: 1 },
        // 278 hours, see "Lifetimes" in docs/architecture/exactly-once.md.
        expireAfterSeconds: 1_000_800,
        partialFilterExpression: { deletedAt: { $exists: true } },
      }),
    );
  });
});
