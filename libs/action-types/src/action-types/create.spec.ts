import { describe, expect, it } from '@jest/globals';
import { AnsweringStore, process } from '../../test/answering-store.ts';
import { contact } from '../entity-types/contact/contact.ts';
import { CreateHandler } from './create.ts';

const handler = new CreateHandler();

describe('CreateHandler', () => {
  it('accepts as config the fields to set and refuses invalid values', async () => {
    const config = { set: { status: 'active', ownerId: 'u7' } };
    await expect(handler.validatePayload({ entityType: contact, config })).resolves.toEqual(config);
    const refused = handler.validatePayload({ entityType: contact, config: { set: { status: 'asleep' } } });
    await expect(refused).rejects.toMatchObject({
      code: 'INVALID_CONFIG',
      issues: [{ field: 'config.set.status' }],
    });
  });

  it('passes on the whole entity: its own fields win over the config and null means absent', async () => {
    const store = new AnsweringStore();
    const config = { set: { ownerId: 'u7', city: 'Bonn', score: null } };
    await process(handler, config, { c1: { lastName: 'A', ownerId: 'u8', city: null } }, store);
    expect(store.changes[0]).toEqual({
      kind: 'create',
      entityId: 'c1',
      set: { lastName: 'A', ownerId: 'u8' },
    });
  });

  it.each([
    [{ city: 'Bonn' }, 'lastName: required'],
    [{ lastName: null }, 'lastName: required'],
    [{ lastName: 'A', shoeSize: null }, 'shoeSize: unknown field'],
    [{ lastName: 'A', score: 101, colour: 'red' }, 'score: Too big'],
    [
      { lastName: 'A', expectedVersion: 1 },
      'expectedVersion: an entity that is to be created has no version',
    ],
    [{ expectedVersion: null }, 'has no version; name or lastName: required'],
  ])('fails for %j with the message %s', async (fields, message) => {
    const store = new AnsweringStore();
    const [outcome] = await process(handler, {}, { c1: fields }, store);
    expect(outcome).toMatchObject({ status: 'failure', code: 'INVALID_ENTITY' });
    expect(outcome?.message).toContain(message);
    expect(store.changes).toEqual([]);
  });

  it('reports the outcome of each entity', async () => {
    const store = new AnsweringStore({
      c1: { kind: 'exists' },
      c2: { kind: 'unique-violation' },
      c3: { kind: 'refused' },
    });
    const ids = ['c1', 'c2', 'c3', 'c4'];
    const outcomes = await process(
      handler,
      {},
      Object.fromEntries(ids.map((id) => [id, { lastName: 'A' }])),
      store,
    );
    expect(outcomes.map(({ code }) => code)).toEqual([
      'ENTITY_EXISTS',
      'UNIQUE_VIOLATION',
      'INVALID_ENTITY',
      null,
    ]);
  });

  it('reports an expected version as an unknown field', () => {
    expect(handler.unknownFields(['id', 'ref', 'email', 'expectedVersion', 'x'], contact)).toEqual([
      'expectedVersion',
      'x',
    ]);
  });
});
