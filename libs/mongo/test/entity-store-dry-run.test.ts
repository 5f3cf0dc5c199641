import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { company, defineEntityType } from '@bulk/action-types';
import { SupersededError } from '@bulk/domain';
import { z } from 'zod';
import { create, EntityFixture, remove, scope, update, upsert } from './entity-fixture.ts';

/** Unique by two fields together, one of them a list. */
const seat = defineEntityType({
  name: 'seat',
  collection: 'seats',
  shape: { room: z.string(), numbers: z.array(z.int()).optional() },
  indexes: [{ fields: ['room', 'numbers'], unique: true }],
});

let fixture: EntityFixture;
beforeAll(async () => {
  fixture = await EntityFixture.create([company, seat]);
});
beforeEach(() => fixture.clear());
afterAll(() => fixture.installation.dispose());

const at = (offset: number) => scope(offset, 'normal', company);

describe('DryRunEntityStore', () => {
  it('predicts every result of every kind, and changes nothing', async () => {
    await fixture.given('acme', 'one', { name: 'One', domain: 'one.example', version: 3 }, company);
    await fixture.given('acme', 'two', { name: 'Two', domain: 'two.example' }, company);
    await fixture.given('acme', 'three', { name: 'Three' }, company);
    await fixture.given('acme', 'four', { name: 'Four' }, company);
    await fixture.given('acme', 'five', { name: 'Five', version: 2 }, company);
    await fixture.given('acme', 'six', { name: 'Six', domain: 'six.example' }, company);
    await fixture.given('acme', 'seven', { name: 'Seven' }, company);
    await fixture.given('acme', 'eight', { name: 'Eight' }, company);
    for (const id of ['dead1', 'dead2', 'dead3', 'dead4'])
      await fixture.given('acme', id, { name: id, domain: `${id}.example` }, company);
    await fixture.given('other', 'theirs', { name: 'T', domain: 'theirs.example' }, company);
    await fixture.write(at(1), [remove('dead1'), remove('dead2'), remove('dead3'), remove('dead4')]);
    const changes = [
      update('one', { domain: 'one.example' }, [], 3),
      update('two', { domain: 'one.example' }),
      update('three', { domain: 'theirs.example' }),
      update('eight', { domain: 'dead1.example' }),
      update('gone', { name: 'X' }),
      update('dead1', { name: 'X' }),
      create('four', { name: 'Four' }),
      create('new1', { name: 'N', domain: 'two.example' }),
      create('new2', { name: 'N', domain: 'new2.example' }),
      create('dead2', { name: 'N', domain: 'one.example' }),
      upsert('five', { domain: 'two.example' }, null),
      upsert('new3', { name: 'N' }, null),
      upsert('new4', { name: 'N' }),
      upsert('dead3', { name: 'N', domain: 'two.example' }),
      upsert('dead4', { name: 'N' }),
      remove('six'),
      remove('seven', 4),
      remove('gone2'),
    ];
    const before = await fixture.all(company);
    const foretold = await fixture.write(at(9), changes, fixture.dryRun);
    expect(await fixture.all(company)).toEqual(before);
    expect(foretold).toEqual([
      'applied',
      'unique-violation',
      'applied',
      'applied',
      'not-found',
      'not-found',
      'exists',
      'unique-violation',
      'applied',
      'unique-violation',
      'unique-violation',
      'not-found',
      'applied',
      'unique-violation',
      'applied',
      'applied',
      'version-conflict 1',
      'not-found',
    ]);
    expect(await fixture.write(at(9), changes)).toEqual(foretold);
    expect(await fixture.write(at(9), [], fixture.dryRun)).toEqual([]);
  });

  it('compares unique values of several fields and of lists as MongoDB does', async () => {
    const seats = (offset: number) => scope(offset, 'normal', seat);
    await fixture.write(seats(1), [
      create('s1', { room: 'A', numbers: [1, 2] }),
      create('s2', { room: 'B', numbers: [3] }),
      create('s3', { room: 'B' }),
    ]);
    const changes = [
      create('s4', { room: 'A', numbers: [2, 7] }),
      create('s5', { room: 'B', numbers: [1] }),
      create('s6', { room: 'B' }),
      update('s2', { room: 'A' }),
      update('s3', { numbers: [3] }),
    ];
    const foretold = await fixture.write(seats(2), changes, fixture.dryRun);
    expect(foretold).toEqual(['unique-violation', 'applied', 'applied', 'applied', 'unique-violation']);
    // s2 would release its seat for s3. Within one action that is not predicted, so s3 comes first.
    const inTurn = [...changes.slice(0, 3), ...changes.slice(4)];
    expect(await fixture.write(seats(2), inTurn)).toEqual([
      'unique-violation',
      'applied',
      'applied',
      'unique-violation',
    ]);
  });

  it('reports nothing when a later batch has changed an entity', async () => {
    await fixture.write(at(9), [create('one', { name: 'One' })]);
    const zombie = fixture.write(at(8), [update('one', { name: 'Late' })], fixture.dryRun);
    await expect(zombie).rejects.toThrow(SupersededError);
  });
});
