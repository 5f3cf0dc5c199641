import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { company, contact, type EntityChange, type EntityStore, type WriteScope } from '@bulk/action-types';
import { CodedError, LANES, SupersededError, type Lane } from '@bulk/domain';
import fc from 'fast-check';
import { loadConfig } from '@bulk/runtime';
import { linkTo } from '@bulk/testing';
import { mongoConfigSchema } from '../src/config.ts';
import { Database } from '../src/database.ts';
import { entityKey } from '../src/documents.ts';
import { MongoEntityStore } from '../src/entity-store.ts';
import { StoreError } from '../src/errors.ts';
import { create, EntityFixture, now, remove, scope, update, upsert } from './entity-fixture.ts';

const UPDATED = { kind: 'applied', effect: 'updated' };
const CREATED = { kind: 'applied', effect: 'created', version: 1 };

let fixture: EntityFixture;
beforeAll(async () => {
  fixture = await EntityFixture.create();
  // What MongoDB refuses for a reason that lies in the document.
  await fixture.database.db.command({
    collMod: 'companies',
    validator: { name: { $ne: 'Refused' } },
  });
});
beforeEach(() => fixture.clear());
afterAll(() => fixture.installation.dispose());

/** A batch of one caller. */
interface Batch {
  readonly at: WriteScope;
  readonly changes: readonly EntityChange[];
}

/** Returns the results of a batch, or the error, as a value that can be compared. */
async function answer(store: EntityStore, { at, changes }: Batch): Promise<unknown> {
  try {
    return await store.write(at, changes);
  } catch (error) {
    return error instanceof CodedError ? error.code : error;
  }
}

/** Fields that the validator refuses, that a unique index refuses, that belong to this entity alone, and others. */
const fields = (id: string) =>
  fc.oneof(
    { weight: 4, arbitrary: fc.record({ name: fc.constantFrom('A', 'B', 'C') }) },
    { weight: 2, arbitrary: fc.constant({ name: 'Unique', domain: `${id}.example` }) },
    { weight: 1, arbitrary: fc.constant({ name: 'Taken', domain: 'taken.example' }) },
    { weight: 1, arbitrary: fc.constant({ name: 'Refused' }) },
  );
const version = fc.option(fc.constantFrom(1, 2, 3), { nil: undefined, freq: 2 });
const changeOf = (id: string): fc.Arbitrary<EntityChange> =>
  fc.oneof(
    fc.tuple(fields(id), version).map(([set, expected]) => update(id, set, [], expected)),
    fields(id).map((set) => create(id, set)),
    fc
      .tuple(fields(id), version, fc.boolean())
      .map(([set, expectedVersion, whole]) => ({ ...upsert(id, set, whole ? set : null), expectedVersion })),
    version.map((expected) => remove(id, expected)),
  );

const OFFSET = 5;
/** How an entity is before: absent, living, or deleted; changed by an earlier batch, this one or a later one. */
const beforeOf = fc.option(
  fc
    .record({
      deleted: fc.integer({ min: 0, max: 3 }),
      version: fc.constantFrom(1, 2),
      fences: fc.dictionary(fc.constantFrom(...LANES), fc.constantFrom(3, 3, 3, 3, 4, OFFSET, 6)),
    })
    .map(({ deleted, version: number, fences }) => ({
      version: number,
      fence: Object.fromEntries(
        Object.entries(fences).map(([lane, offset]) => [lane, { partition: 1, offset }]),
      ),
      ...(deleted === 0 ? { deletedAt: now } : { name: 'Before' }),
    })),
  { freq: 4 },
);
/** An entity, what is stored of it before, and its change. */
const entityOf = (id: string) => fc.record({ id: fc.constant(id), before: beforeOf, change: changeOf(id) });
const entitiesOfCaller = (caller: number) =>
  fc
    .tuple(fc.integer({ min: 1, max: 4 }), ...[0, 1, 2, 3].map((i) => entityOf(`c${caller}-e${i}`)))
    .map(([count, ...entities]) => entities.slice(0, count));
/** Entities of different callers differ, as those of the batches that a handler applies at the same time. */
const callers = fc
  .tuple(
    fc.integer({ min: 2, max: 6 }),
    ...[0, 1, 2, 3, 4, 5].map((caller) =>
      fc.record({
        lane: fc.constantFrom<Lane>(...LANES),
        offset: fc.constantFrom(OFFSET, OFFSET, OFFSET, 4),
        entities: entitiesOfCaller(caller),
      }),
    ),
  )
  .map(([count, ...all]) => all.slice(0, count));

describe('MongoEntityStore, batches written at the same time', () => {
  it('gives each batch the same results and entities as if it were written alone', async () => {
    const seen = new Set<string>();
    const sent = { batches: 0, commands: 0 };
    const observed = await fixture.installation.database(({ update: collection }) => {
      if (collection === company.collection) sent.commands += 1;
    });
    const merging = new MongoEntityStore(observed, { concurrency: 1, operations: 12, bytes: 1_000_000 });
    const alone = new MongoEntityStore(fixture.database, { concurrency: 1, operations: 1, bytes: 1 });
    await fc.assert(
      fc.asyncProperty(callers, async (given) => {
        await fixture.clear();
        const batchesOf = (accountId: string): Batch[] =>
          given.map(({ lane, offset, entities }) => ({
            at: scope(offset, lane, company, accountId),
            changes: entities.map(({ change }) => change),
          }));
        for (const accountId of ['one', 'two']) {
          await fixture.given(accountId, 'taken', { name: 'Owner', domain: 'taken.example' }, company);
          for (const { id, before } of given.flatMap(({ entities }) => entities)) {
            if (before !== null) await fixture.given(accountId, id, before, company);
          }
        }
        const expected: unknown[] = [];
        for (const batch of batchesOf('one')) expected.push(await answer(alone, batch));
        sent.batches += given.length;
        const merged = await Promise.all(batchesOf('two').map((batch) => answer(merging, batch)));
        expect(merged).toEqual(expected);
        expect(await entitiesIn('two')).toEqual(await entitiesIn('one'));
        for (const results of merged) {
          if (!Array.isArray(results)) seen.add(String(results));
          else for (const { kind } of results as { readonly kind: string }[]) seen.add(kind);
        }
      }),
      { numRuns: 60, endOnFailure: true },
    );
    expect([...seen].sort()).toEqual([
      'SUPERSEDED',
      'applied',
      'exists',
      'not-found',
      'refused',
      'unique-violation',
      'version-conflict',
    ]);
    expect(sent.commands).toBeLessThan(sent.batches);
  }, 240_000);

  it('sends one bulk write for batches of one turn, and reads once if something did not match', async () => {
    for (const id of ['a1', 'b1', 'c1']) await fixture.given('acme', id, { lastName: 'A' });
    const writes = (store: EntityStore, ...more: EntityChange[]) =>
      Promise.all([
        store.write(scope(7, 'normal'), [update('a1', { lastName: 'B' })]),
        store.write(scope(3), [update('b1', { lastName: 'B' }), ...more]),
        store.write(scope(9, 'normal', contact, 'other'), [create('c1', { lastName: 'B' })]),
      ]);
    expect(await fixture.operationsOf(writes)).toEqual(['bulkWrite']);
    expect((await fixture.stored('a1'))?.fence).toEqual({ normal: { partition: 1, offset: 7 } });
    expect((await fixture.stored('b1'))?.fence).toEqual({ normal: { partition: 1, offset: 3 } });
    const gone = update('gone', { lastName: 'B' });
    expect(await fixture.operationsOf((store) => writes(store, gone))).toEqual(['bulkWrite', 'find']);
  });

  it('sends one bulk write for each lane, so that none waits for the documents of another', async () => {
    for (const id of ['a1', 'b1']) await fixture.given('acme', id, { lastName: 'A' });
    const operations = await fixture.operationsOf((store) =>
      Promise.all([
        store.write(scope(7, 'normal'), [update('a1', { lastName: 'B' })]),
        store.write(scope(3, 'high'), [update('b1', { lastName: 'B' })]),
      ]),
    );
    expect(operations).toEqual(['bulkWrite', 'bulkWrite']);
  });

  it('reports only the superseded batch as superseded (G5)', async () => {
    await fixture.given('acme', 'a1', { lastName: 'A', fence: { normal: { partition: 1, offset: 9 } } });
    await fixture.given('acme', 'b1', { lastName: 'A' });
    const [superseded, other] = await Promise.allSettled([
      fixture.store.write(scope(8), [update('a1', { lastName: 'Zombie' })]),
      fixture.store.write(scope(8), [update('b1', { lastName: 'B' })]),
    ]);
    expect(superseded).toMatchObject({ status: 'rejected', reason: expect.any(SupersededError) });
    expect(other).toEqual({ status: 'fulfilled', value: [UPDATED] });
    expect((await fixture.stored('a1'))?.['lastName']).toBe('A');
  });

  it('changes one entity from two lanes, each with its own fence', async () => {
    await fixture.given('acme', 'a1', { lastName: 'A' });
    const results = await Promise.all([
      fixture.store.write(scope(4, 'high'), [update('a1', { lastName: 'B' })]),
      fixture.store.write(scope(8, 'low'), [update('a1', { city: 'Bonn' })]),
    ]);
    expect(results.flat()).toEqual([UPDATED, UPDATED]);
    expect(await fixture.stored('a1')).toMatchObject({
      version: 3,
      lastName: 'B',
      city: 'Bonn',
      fence: { high: { partition: 1, offset: 4 }, low: { partition: 1, offset: 8 } },
    });
  });

  it('blames a refused document on its own batch and applies the others once', async () => {
    for (const id of ['a', 'b', 'c']) await fixture.given('acme', id, { name: 'Before' }, company);
    const at = scope(5, 'normal', company);
    const settled = await Promise.allSettled([
      fixture.store.write(at, [update('a', { name: 'After' })]),
      fixture.store.write(at, [update('b', { name: 'Refused' })]),
      // The driver cannot even send this one.
      fixture.store.write(at, [update('c', { name: { toBSON: () => unsendable() } })]),
    ]);
    expect(settled[0]).toEqual({ status: 'fulfilled', value: [UPDATED] });
    expect(settled[1]).toEqual({ status: 'fulfilled', value: [{ kind: 'refused' }] });
    expect(settled[2]).toMatchObject({ reason: expect.any(StoreError) });
    expect(await fixture.all(company)).toMatchObject([
      { id: 'a', name: 'After', version: 2 },
      { id: 'b', name: 'Before', version: 1 },
      { id: 'c', name: 'Before', version: 1 },
    ]);
  });

  it('names each refused entity among many batches in one bulk write, and applies all others once', async () => {
    await fixture.given('acme', 'owner', { name: 'Owner', domain: 'taken.example' }, company);
    const ids = Array.from({ length: 12 }, (_, i) => `e${String(i).padStart(2, '0')}`);
    for (const id of ids) await fixture.given('acme', id, { name: 'Before' }, company);
    // `$inc` refuses a version that is no number.
    await fixture.given('acme', 'text', { name: 'Before', version: 'text' }, company);
    const refused: Readonly<Record<string, Record<string, unknown>>> = {
      e01: { name: 'Refused' },
      e05: { name: 'After', domain: 'taken.example' },
      // The driver cannot send this one.
      e10: { name: 'x'.repeat(17_000_000) },
    };
    const batches = [...ids.map((id) => [id]), ['e20', 'text', 'e21']].map((names) =>
      names.map((id) =>
        id === 'e20' || id === 'e21'
          ? create(id, { name: 'After' })
          : update(id, refused[id] ?? { name: 'After' }),
      ),
    );
    const { store, commands } = await observedStore();
    const write = (): Promise<unknown[]> =>
      Promise.all(batches.map((changes, i) => store.write(scope(i, 'normal', company), changes)));
    const first = await write();
    expect(commands).toEqual(['update', 'find']);
    expect(first).toEqual([
      ...ids.map((id) => [id in KINDS ? { kind: KINDS[id] } : UPDATED]),
      [CREATED, { kind: 'refused' }, CREATED],
    ]);
    const stored = await fixture.all(company);
    for (const id of ids) {
      const isRefused = id in refused;
      expect(stored.find((one) => one.id === id)).toMatchObject({
        name: isRefused ? 'Before' : 'After',
        version: isRefused ? 1 : 2,
      });
    }
    // A redelivery of all of them.
    expect(await write()).toEqual(first);
    expect(await fixture.all(company)).toEqual(stored);
  });

  it('finds the refused entity of a batch that the driver sends as several commands', async () => {
    const ids = Array.from({ length: 20 }, (_, i) => `e${String(i).padStart(2, '0')}`);
    for (const id of ids) await fixture.given('acme', id, { name: 'Before' }, company);
    const { store, commands } = await observedStore();
    const results = await store.write(
      scope(5, 'normal', company),
      ids.map((id) => update(id, { name: id === 'e18' ? 'Refused' : 'After', note: 'x'.repeat(1_000_000) })),
    );
    expect(commands).toEqual(['update', 'update', 'find']);
    expect(results).toEqual(ids.map((id) => (id === 'e18' ? { kind: 'refused' } : UPDATED)));
  });

  it('reports one of two upserts of an absent entity as its creation', async () => {
    const { store, commands } = await observedStore();
    const results = await Promise.all(
      [5, 6].map((offset) => store.write(scope(offset, 'normal', company), [upsert('e1', { name: 'New' })])),
    );
    expect(results).toEqual([[CREATED], [UPDATED]]);
    expect(commands).toEqual(['update']);
  });

  it('takes a change for applied that an earlier run has made, although MongoDB refuses it by now', async () => {
    const at = scope(5, 'normal', company);
    expect(await fixture.write(at, [create('a', { name: 'New' }), upsert('b', { name: 'New' })])).toEqual([
      'applied',
      'applied',
    ]);
    const changes = [create('a', { name: 'Refused' }), upsert('b', { name: 'Refused' })];
    expect(await fixture.write(at, changes)).toEqual(['applied', 'applied']);
  });

  it('fails every batch with a retryable error when MongoDB is unavailable', async () => {
    const { link, env } = await linkTo('mongodb', fixture.installation.env);
    fixture.installation.onDispose(() => link.close());
    const config = loadConfig(mongoConfigSchema, {
      ...fixture.installation.env,
      ...env,
      MONGODB_TIMEOUT_MS: '500',
    });
    const database = await Database.connect('test', config);
    fixture.installation.onDispose(() => database.close());
    const store = new MongoEntityStore(database);
    link.break();
    const settled = await Promise.allSettled(
      ['a1', 'b1', 'c1'].map((id) => store.write(scope(1), [update(id, { lastName: 'B' })])),
    );
    for (const one of settled) expect(one).toMatchObject({ reason: { retryable: true } });
  });

  it('asks again whether the partition is owned before it sends a batch that had to wait', async () => {
    await fixture.given('acme', 'a1', { lastName: 'A' });
    let asked = 0;
    const lost = (): Promise<void> => {
      asked += 1;
      return Promise.reject(new SupersededError('lost', { at: scope(1).at, fence: undefined }));
    };
    const write = fixture.store.write({ ...scope(1), confirmOwnership: lost }, [
      update('a1', { lastName: 'B' }),
    ]);
    // The process stalls, as one that is stopped, before the bulk write.
    for (const until = performance.now() + 1_100; performance.now() < until;);
    await expect(write).rejects.toThrow('lost');
    expect(asked).toBe(1);
    expect((await fixture.stored('a1'))?.['lastName']).toBe('A');
  });
});

/** Entity → the kind of its result, unless it is applied. */
const KINDS: Readonly<Record<string, string>> = {
  e01: 'refused',
  e05: 'unique-violation',
  e10: 'refused',
};

/** Bounds that put all writes of a turn of the event loop into one bulk write. */
const ONE_GROUP = { concurrency: 1, operations: 1_000, bytes: 1_000_000_000 };

/** Returns a store, and the names of the commands that it sends for companies. */
async function observedStore(): Promise<{ store: EntityStore; commands: string[] }> {
  const commands: string[] = [];
  const database = await fixture.installation.database((command) => {
    for (const name of ['update', 'find']) if (command[name] === company.collection) commands.push(name);
  });
  return { store: new MongoEntityStore(database, ONE_GROUP), commands };
}

function unsendable(): never {
  throw new RangeError('not to be sent');
}

/** Returns the entities of an account, without what names the account. */
async function entitiesIn(accountId: string): Promise<unknown[]> {
  const documents = await fixture.database
    .entities('companies')
    .find({ accountId })
    .sort({ _id: 1 })
    .toArray();
  return documents.map((document) => {
    expect(document._id).toBe(entityKey(accountId, document.id));
    return { ...document, _id: null, accountId: null };
  });
}
