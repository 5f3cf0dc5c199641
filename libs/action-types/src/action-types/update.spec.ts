import { describe, expect, it } from '@jest/globals';
import { InvalidInputError } from '@bulk/domain';
import { AnsweringStore, process } from '../../test/answering-store.ts';
import { contact } from '../entity-types/contact/contact.ts';
import { UpdateHandler } from './update.ts';

const handler = new UpdateHandler();

describe('UpdateHandler.validatePayload', () => {
  it('accepts fields to set on all entities', async () => {
    const config = { set: { ownerId: 'u7', city: null } };
    await expect(handler.validatePayload({ entityType: contact, config })).resolves.toEqual(config);
    await expect(handler.validatePayload({ entityType: contact, config: {} })).resolves.toEqual({});
  });

  it.each([
    [{ set: { email: 'nobody' } }, 'config.set.email'],
    [{ set: { shoeSize: 44 } }, 'config.set.shoeSize'],
    [{ set: { expectedVersion: 1 } }, 'config.set.expectedVersion'],
    [{ set: 'ownerId' }, 'config.set'],
    [{ upsert: true }, 'config.upsert'],
    [{ unset: ['shoeSize'] }, 'config.unset.shoeSize'],
    [{ unset: 'city' }, 'config.unset'],
    [{ unset: ['name'] }, 'config.unset.name'],
    [{ increment: { shoeSize: 1 } }, 'config.increment.shoeSize'],
    [{ increment: { city: 1 } }, 'config.increment.city'],
    [{ increment: { score: 'one' } }, 'config.increment.score'],
    [{ increment: { score: 0.5 } }, 'config.increment.score'],
    [{ addToList: { city: ['Bonn'] } }, 'config.addToList.city'],
    [{ addToList: { tags: 'vip' } }, 'config.addToList.tags'],
    [{ addToList: { tags: [] } }, 'config.addToList.tags'],
    [{ addToList: { tags: ['vip', ''] } }, 'config.addToList.tags[1]'],
    [{ removeFromList: { tags: [7] } }, 'config.removeFromList.tags[0]'],
    [{ set: { score: 1 }, increment: { score: 1 } }, 'config.increment.score'],
    [{ addToList: { tags: ['a'] }, removeFromList: { tags: ['b'] } }, 'config.removeFromList.tags'],
  ])('refuses %j and names %s', async (config, field) => {
    const refusal = await handler
      .validatePayload({ entityType: contact, config })
      .catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(InvalidInputError);
    expect((refusal as InvalidInputError).issues.map((issue) => issue.field)).toEqual([field]);
  });
});

describe('UpdateHandler', () => {
  it('passes on the changes and the expected version', async () => {
    const store = new AnsweringStore();
    const sent = { c1: { city: null, ownerId: 'u8', expectedVersion: 3 }, c2: {} };
    const outcomes = await process(handler, { set: { ownerId: 'u7' } }, sent, store);
    expect(outcomes.map(({ status }) => status)).toEqual(['success', 'success']);
    expect(store.changes.slice(0, 2)).toEqual([
      { kind: 'update', entityId: 'c1', set: { ownerId: 'u8' }, unset: ['city'], expectedVersion: 3 },
      { kind: 'update', entityId: 'c2', set: { ownerId: 'u7' }, unset: [], expectedVersion: undefined },
    ]);
  });

  it('combines changes of all entities with those of one, whose own change of a field wins', async () => {
    const store = new AnsweringStore();
    const config = {
      set: { city: 'Bonn' },
      unset: ['notes'],
      increment: { score: 1 },
      addToList: { tags: ['a'] },
    };
    const sent = {
      c1: {},
      c2: { score: 7, set: { notes: 'kept' }, unset: ['city'], removeFromList: { tags: ['a'] } },
    };
    await process(handler, config, sent, store);
    expect(store.changes.slice(0, 2)).toEqual([
      {
        kind: 'update',
        entityId: 'c1',
        set: { city: 'Bonn' },
        unset: ['notes'],
        relative: { score: { kind: 'increment', by: 1 }, tags: { kind: 'addToList', values: ['a'] } },
        expectedVersion: undefined,
      },
      {
        kind: 'update',
        entityId: 'c2',
        set: { score: 7, notes: 'kept' },
        unset: ['city'],
        relative: { tags: { kind: 'removeFromList', values: ['a'] } },
        expectedVersion: undefined,
      },
    ]);
  });

  it.each([
    [{ increment: { city: 1 } }, 'increment.city: only a number can be incremented'],
    [{ increment: 5 }, 'increment: expected an object with a value for each field'],
    [{ increment: JSON.parse('{"__proto__":1}') as object }, 'increment.__proto__: unknown field'],
    [
      { city: 'A', set: { city: 'B' } },
      'set.city: expected each field once; it is a field of the entity too',
    ],
    [{ city: 'A', unset: ['city'] }, 'unset.city: expected each field once; it is in set too'],
    [{ unset: [], increment: {} }, 'nothing to change: neither the entity nor the config names a field'],
  ])('refuses the changes %j of an entity and names the field', async (sent, message) => {
    const [outcome] = await process(handler, {}, { c1: sent });
    expect(outcome).toEqual({ status: 'failure', code: 'INVALID_ENTITY', message });
  });

  it('names every fault of an entity and changes nothing', async () => {
    const store = new AnsweringStore();
    const outcomes = await process(
      handler,
      {},
      { c1: { email: 'nobody', expectedVersion: '3' }, c2: { expectedVersion: 3 } },
      store,
    );
    expect(outcomes).toEqual([
      {
        status: 'failure',
        code: 'INVALID_ENTITY',
        message: 'expectedVersion: expected a positive integer; email: expected an e-mail address',
      },
      {
        status: 'failure',
        code: 'INVALID_ENTITY',
        message: 'nothing to change: neither the entity nor the config names a field',
      },
    ]);
    expect(store.changes).toEqual([]);
  });

  it.each([0, -1, 1.5, null, '1', true, 2 ** 53])(
    'refuses the expectedVersion %j',
    async (expectedVersion) => {
      const [outcome] = await process(handler, {}, { c1: { city: 'Bonn', expectedVersion } });
      expect(outcome).toMatchObject({ code: 'INVALID_ENTITY' });
    },
  );

  it('reports the outcome of each entity', async () => {
    const store = new AnsweringStore({
      c1: { kind: 'not-found' },
      c2: { kind: 'unique-violation' },
      c3: { kind: 'version-conflict', version: 7 },
    });
    const city = 'Bonn';
    const sent = { c1: { city }, c2: { city }, c3: { city, expectedVersion: 5 }, c4: { city } };
    const outcomes = await process(handler, {}, sent, store);
    expect(outcomes.map(({ code, message }) => [code, message])).toEqual([
      ['ENTITY_NOT_FOUND', 'no contact has this id'],
      ['UNIQUE_VIOLATION', 'another contact has this value of a unique field'],
      ['VERSION_CONFLICT', 'expected version 5, and the contact has version 7'],
      [null, null],
    ]);
  });

  it('reports names as unknown that are neither entity fields nor fields of every entity', () => {
    const names = ['id', 'ref', 'lastName', 'shoeSize', 'expectedVersion', 'toString', 'version'];
    expect(handler.unknownFields(names, contact)).toEqual(['shoeSize', 'toString', 'version']);
    const changes = ['increment.score', 'addToList.tags', 'increment.city', 'addToList.score', 'increment'];
    expect(handler.unknownFields(changes, contact)).toEqual(changes.slice(2));
  });
});
