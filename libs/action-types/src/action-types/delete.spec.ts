import { describe, expect, it } from '@jest/globals';
import { AnsweringStore, process } from '../../test/answering-store.ts';
import { contact } from '../entity-types/contact/contact.ts';
import { DeleteHandler } from './delete.ts';

const handler = new DeleteHandler();

describe('DeleteHandler', () => {
  it('accepts only an empty config', async () => {
    await expect(handler.validatePayload({ entityType: contact, config: {} })).resolves.toEqual({});
    const refused = handler.validatePayload({ entityType: contact, config: { set: {} } });
    await expect(refused).rejects.toMatchObject({
      code: 'INVALID_CONFIG',
      issues: [{ field: 'config.set' }],
    });
  });

  it('accepts an id with an optional version', async () => {
    const store = new AnsweringStore();
    const outcomes = await process(handler, {}, { c1: {}, c2: { expectedVersion: 4 } }, store);
    expect(outcomes.map(({ status }) => status)).toEqual(['success', 'success']);
    expect(store.changes.slice(0, 2)).toEqual([
      { kind: 'delete', entityId: 'c1', expectedVersion: undefined },
      { kind: 'delete', entityId: 'c2', expectedVersion: 4 },
    ]);
  });

  it('fails and names every other field, known or not', async () => {
    const store = new AnsweringStore();
    const [outcome] = await process(handler, {}, { c1: { lastName: 'A', x: 1, expectedVersion: 0 } }, store);
    expect(outcome).toEqual({
      status: 'failure',
      code: 'INVALID_ENTITY',
      message:
        'expectedVersion: expected a positive integer; lastName: a deletion takes no fields; x: a deletion takes no fields',
    });
    expect(store.changes).toEqual([]);
  });

  it('reports the outcome of each entity', async () => {
    const store = new AnsweringStore({
      c1: { kind: 'not-found' },
      c2: { kind: 'version-conflict', version: 5 },
    });
    const outcomes = await process(handler, {}, { c1: {}, c2: { expectedVersion: 4 }, c3: {} }, store);
    expect(outcomes.map(({ code }) => code)).toEqual(['ENTITY_NOT_FOUND', 'VERSION_CONFLICT', null]);
    expect(outcomes[1]?.message).toBe('expected version 4, and the contact has version 5');
  });

  it('reports entity fields as unknown fields', () => {
    expect(handler.unknownFields(['id', 'ref', 'expectedVersion', 'email'])).toEqual(['email']);
  });
});
