import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { company } from '@bulk/action-types';
import { SupersededError } from '@bulk/domain';
import { EntityFixture, now, scope, update as set } from './entity-fixture.ts';

let fixture: EntityFixture;
beforeAll(async () => {
  fixture = await EntityFixture.create();
});
afterAll(() => fixture.installation.dispose());

const given: EntityFixture['given'] = (...args) => fixture.given(...args);
const stored: EntityFixture['stored'] = (...args) => fixture.stored(...args);
const write: EntityFixture['write'] = (...args) => fixture.write(...args);

describe('MongoEntityStore, update', () => {
  beforeEach(() => fixture.clear());

  it('sets and clears fields, raises the version, and does not change other fields', async () => {
    await given('acme', 'c1', { lastName: 'Old', city: 'Bonn', score: 3 });
    const results = await write(scope(5), [set('c1', { lastName: 'New' }, ['city'])]);
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

  it('returns results in the order of the changes, also when some entities are absent', async () => {
    await given('acme', 'c2', { lastName: 'A' });
    await given('acme', 'c4', { lastName: 'A' });
    const changes = ['c1', 'c2', 'c3', 'c4'].map((id) => set(id, { lastName: 'B' }));
    expect(await write(scope(1), changes)).toEqual(['not-found', 'applied', 'not-found', 'applied']);
    expect(await write(scope(1), [])).toEqual([]);
  });

  it("does not see another account's entity", async () => {
    await given('other', 'c1', { lastName: 'Theirs' });
    expect(await write(scope(1), [set('c1', { lastName: 'Mine' })])).toEqual(['not-found']);
    const theirs = await fixture.database.entities('contacts').findOne({ _id: 'other:c1' });
    expect(theirs?.['lastName']).toBe('Theirs');
  });

  it('changes nothing on a replay and returns the results of the first run', async () => {
    await given('acme', 'c1', { lastName: 'A' });
    const changes = [set('c1', { lastName: 'B' }), set('gone', { lastName: 'B' })];
    expect(await write(scope(7), changes)).toEqual(['applied', 'not-found']);
    const first = await stored('c1');
    expect(await write({ ...scope(7), now: new Date() }, changes)).toEqual(['applied', 'not-found']);
    expect(await stored('c1')).toEqual(first);
  });

  it('finishes a batch that a crash left incomplete', async () => {
    await given('acme', 'c1', { lastName: 'A' });
    await given('acme', 'c2', { lastName: 'A' });
    await write(scope(7), [set('c1', { lastName: 'B' })]);
    const whole = [set('c1', { lastName: 'B' }), set('c2', { lastName: 'B' })];
    expect(await write(scope(7), whole)).toEqual(['applied', 'applied']);
    expect((await stored('c1'))?.version).toBe(2);
    expect((await stored('c2'))?.version).toBe(2);
  });

  it('refuses a batch that a later batch of its lane has overtaken, and changes nothing', async () => {
    await given('acme', 'c1', { lastName: 'A' });
    await write(scope(9), [set('c1', { lastName: 'Later' })]);
    await expect(write(scope(8), [set('c1', { lastName: 'Earlier' })])).rejects.toThrow(SupersededError);
    expect((await stored('c1'))?.['lastName']).toBe('Later');
  });

  it('keeps a fence per lane, so that lanes do not order each other', async () => {
    await given('acme', 'c1', { lastName: 'A' });
    await write(scope(900, 'low'), [set('c1', { lastName: 'Low' })]);
    expect(await write(scope(2, 'high'), [set('c1', { lastName: 'High' })])).toEqual(['applied']);
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
    expect(await write(scope(3, 'normal', company), changes)).toEqual(expected);
    expect(await write(scope(3, 'normal', company), changes)).toEqual(expected);
    expect((await stored('k2', company))?.['domain']).toBe('two.example');
    expect((await stored('k3', company))?.['domain']).toBe('three.example');
  });

  it('lets two accounts have the same unique value', async () => {
    await given('acme', 'k1', { name: 'One', domain: 'one.example' }, company);
    await given('other', 'k1', { name: 'One' }, company);
    const update = write(scope(1, 'normal', company, 'other'), [set('k1', { domain: 'one.example' })]);
    await expect(update).resolves.toEqual(['applied']);
  });

  it('changes only an entity of the expected version, and returns the actual version', async () => {
    await given('acme', 'c1', { lastName: 'A', version: 4 });
    await given('acme', 'c2', { lastName: 'A', version: 4 });
    const changes = [
      set('c1', { lastName: 'B' }, [], 4),
      set('c2', { lastName: 'B' }, [], 3),
      set('c3', { lastName: 'B' }, [], 1),
    ];
    const expected = ['applied', 'version-conflict 4', 'not-found'];
    expect(await write(scope(1), changes)).toEqual(expected);
    expect(await write(scope(1), changes)).toEqual(expected); // c1 has version 5 now, its own
    expect(await stored('c1')).toMatchObject({ lastName: 'B', version: 5 });
    expect(await stored('c2')).toMatchObject({ lastName: 'A', version: 4 });
  });

  it('takes one round trip when every change finds its entity, and two otherwise', async () => {
    await given('acme', 'c1', { lastName: 'A' });
    await given('acme', 'c2', { lastName: 'A' });
    const changes = [set('c1', { lastName: 'B' }), set('c2', { lastName: 'B' })];
    const operations = (...more: (typeof changes)[number][]): Promise<string[]> =>
      fixture.operationsOf((store) => store.write(scope(1), [...changes, ...more]));
    expect(await operations()).toEqual(['bulkWrite']);
    expect(await operations(set('c3', { lastName: 'B' }))).toEqual(['bulkWrite', 'find']);
  });
});
