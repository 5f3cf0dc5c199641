import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { ChangeResult, EntityChange, WriteScope } from '@bulk/action-types';
import { parseEntityChanges, type Lane } from '@bulk/domain';
import { create, EntityFixture, now, remove, scope, update, upsert } from './entity-fixture.ts';

let fixture: EntityFixture;
beforeAll(async () => {
  fixture = await EntityFixture.create();
});
beforeEach(() => fixture.clear());
afterAll(() => fixture.installation.dispose());

const keeping = (offset: number, lane: Lane = 'normal', actionId = 'a1'): WriteScope => ({
  ...scope(offset, lane),
  actionId,
  changes: { kept: 'values', maxBytes: 16_384 },
});

/** Returns what each applied change did and kept; the kind of each other result. */
const done = (results: readonly ChangeResult[]) =>
  results.map((result) =>
    result.kind === 'applied'
      ? [result.effect, result.version, parseEntityChanges(result.changes ?? 'null') ?? null]
      : result.kind,
  );

describe('MongoEntityStore, changes that are kept', () => {
  it('answers with the values before and after, the same in a dry run and on a redelivery', async () => {
    await fixture.given('acme', 'c1', { lastName: 'A', city: 'Bonn' });
    await fixture.given('acme', 'c2', { lastName: 'A', score: 2, tags: ['a'] });
    await fixture.given('acme', 'c3', { lastName: 'A' });
    const changes: EntityChange[] = [
      update('c1', { lastName: 'B' }, ['city']),
      remove('c2'),
      update('c3', { lastName: 'A' }),
      create('c4', { lastName: 'New' }),
      upsert('c5', { city: 'Ulm' }, { lastName: 'L', city: 'Ulm' }),
      remove('gone'),
    ];
    const expected = [
      ['updated', 2, { before: { lastName: 'A', city: 'Bonn' }, after: { lastName: 'B', city: null } }],
      ['deleted', 2, { before: { lastName: 'A', score: 2, tags: ['a'] }, after: {} }],
      ['unchanged', 1, null],
      ['created', 1, { before: {}, after: { lastName: 'New' } }],
      ['created', 1, { before: {}, after: { lastName: 'L', city: 'Ulm' } }],
      'not-found',
    ];
    expect(done(await fixture.dryRun.write(keeping(5), changes))).toEqual(expected);
    expect(done(await fixture.store.write(keeping(5), changes))).toEqual(expected);
    const first = await fixture.all();
    // Another lane changes an entity in between.
    await fixture.write(scope(9, 'high'), [update('c1', { lastName: 'Z' })]);
    expect(done(await fixture.store.write(keeping(5), changes))).toEqual(expected);
    expect((await fixture.all()).slice(1)).toEqual(first.slice(1));
  });

  it('keeps the values of each version when two lanes write at the same time', async () => {
    await fixture.given('acme', 'c1', { lastName: 'A' });
    const lanes = ['high', 'normal', 'low'] as const;
    const results = await Promise.all(
      lanes.map((lane) => fixture.store.write(keeping(1, lane), [update('c1', { lastName: lane })])),
    );
    const steps = results
      .flat()
      .flatMap((result) => (result.kind === 'applied' ? [result] : []))
      .sort((a, b) => Number(a.version) - Number(b.version));
    const kept = steps.map(({ changes = '' }) => parseEntityChanges(changes));
    const after = kept.map((one) => one?.after?.['lastName']);
    expect(kept.map((one) => one?.before?.['lastName'])).toEqual(['A', ...after.slice(0, 2)]);
    expect(steps.map(({ version }) => version)).toEqual([2, 3, 4]);
  });

  it('makes a marked change once, also when it comes again from another place, and bounds its mark', async () => {
    await fixture.given('acme', 'c1', { lastName: 'A' });
    await fixture.given('acme', 'c2', { lastName: 'A' });
    const long = 'x'.repeat(2_000);
    await fixture.store.write(keeping(1), [
      { ...update('c1', { notes: long }, [], 1), marked: true },
      { ...remove('c2', 1), marked: true },
    ]);
    const restore: EntityChange = {
      kind: 'create', entityId: 'c2', set: { lastName: 'A' }, deletedVersion: 2, marked: true,
    }; // prettier-ignore
    await fixture.store.write(keeping(2, 'normal', 'a2'), [restore]);
    await fixture.write(scope(3), [update('c1', { lastName: 'Later' })]);
    const before = await fixture.all();
    const again = await fixture.store.write(keeping(4), [
      { ...update('c1', { notes: long }, [], 1), marked: true },
      { ...remove('c2', 1), marked: true },
    ]);
    expect(done(again)).toEqual([
      ['updated', 2, { changesTruncated: true }],
      ['deleted', 2, { before: { lastName: 'A' }, after: {} }],
    ]);
    expect(done(await fixture.store.write(keeping(5, 'normal', 'a2'), [restore]))).toEqual([
      ['created', 3, { before: {}, after: { lastName: 'A' } }],
    ]);
    expect(await fixture.all()).toEqual(before);
    expect(done(await fixture.store.write(keeping(6, 'normal', 'a3'), [restore]))).toEqual([
      'version-conflict',
    ]);
  });

  it('leaves another record alone that has the id and the version of the one that is meant', async () => {
    const [before, since] = [new Date(now.getTime() - 1), now];
    await fixture.write(scope(1), ['c1', 'c2', 'c3'].map((id) => create(id, { lastName: 'Other' }))); // prettier-ignore
    await fixture.write(scope(2), [remove('c3')]);
    const changes = (notAfter: Date): EntityChange[] => [
      { ...update('c1', { lastName: 'Old' }, [], 1), notAfter, marked: true },
      { ...remove('c2', 1), notAfter, marked: true },
      { kind: 'create', entityId: 'c3', set: { lastName: 'Old' }, deletedVersion: 2, notAfter, marked: true },
    ];
    const stored = await fixture.all();
    const refused = ['version-conflict 1', 'version-conflict 1', 'version-conflict 2'];
    expect(await fixture.write(keeping(3), changes(before), fixture.dryRun)).toEqual(refused);
    expect(await fixture.write(keeping(3), changes(before))).toEqual(refused);
    expect(await fixture.all()).toEqual(stored);
    expect(await fixture.write(keeping(4), changes(since))).toEqual(['applied', 'applied', 'applied']);
  });

  it('has the time in the filter too, so that a record that takes the place after the read stays', async () => {
    await fixture.write(scope(1), [create('c1', { lastName: 'Other' })]);
    const change = { ...update('c1', { lastName: 'Old' }, [], 1), notAfter: new Date(0) };
    expect(await fixture.write(scope(2), [change])).toEqual(['version-conflict 1']);
    expect(await fixture.stored('c1')).toMatchObject({ lastName: 'Other', version: 1 });
  });
});
