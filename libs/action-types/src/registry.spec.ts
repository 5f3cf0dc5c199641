import { describe, expect, it } from '@jest/globals';
import { InvalidInputError } from '@bulk/domain';
import { ACTION_HANDLERS, createRegistry, ENTITY_TYPES } from './catalog.ts';
import { ActionRegistry } from './registry.ts';

describe('ActionRegistry', () => {
  it('returns the registered types', () => {
    const registry = createRegistry();
    expect(registry.handler('update').actionType).toBe('update');
    expect(registry.entityTypes.map(({ name }) => name)).toEqual(['contact', 'company', 'lead']);
  });

  it('names the field and the known types when a type is unknown', () => {
    const registry = createRegistry();
    const refusal = (look: () => unknown): InvalidInputError => {
      try {
        look();
      } catch (error) {
        if (error instanceof InvalidInputError) return error;
      }
      throw new Error('expected a refusal');
    };
    expect(refusal(() => registry.handler('explode'))).toMatchObject({
      code: 'UNKNOWN_ACTION_TYPE',
      issues: [{ field: 'actionType', message: 'expected one of: update, create, upsert, delete' }],
    });
    expect(refusal(() => registry.entityType('constructor'))).toMatchObject({
      code: 'UNKNOWN_ENTITY_TYPE',
      issues: [{ field: 'entityType', message: 'expected one of: contact, company, lead' }],
    });
  });

  it('refuses two types of the same name', () => {
    expect(() => new ActionRegistry(ACTION_HANDLERS, [...ENTITY_TYPES, ...ENTITY_TYPES])).toThrow(
      'registered twice',
    );
  });
});
