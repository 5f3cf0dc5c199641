import { describe, expect, it } from '@jest/globals';
import { derivedEntityId, uuidv5 } from './derived-id.ts';

describe('uuidv5', () => {
  it('gives the example of RFC 9562, appendix A.4', () => {
    expect(uuidv5('6ba7b810-9dad-11d1-80b4-00c04fd430c8', 'www.example.com')).toBe(
      '2ed6657d-e927-568b-95e1-2665a8aea6a2',
    );
  });
});

describe('derivedEntityId', () => {
  const value = { accountId: 'acme', entityType: 'contact', field: 'email', value: 'a@b.example' };

  it('gives the same id for the same value, and never changes', () => {
    expect(derivedEntityId(value, 0)).toBe(derivedEntityId({ ...value }, 0));
  });

  it('gives another id for another account, type, field, value or attempt', () => {
    const ids = [
      derivedEntityId(value, 0),
      derivedEntityId(value, 1),
      derivedEntityId({ ...value, accountId: 'other' }, 0),
      derivedEntityId({ ...value, entityType: 'lead' }, 0),
      derivedEntityId({ ...value, field: 'externalId' }, 0),
      derivedEntityId({ ...value, value: 'A@b.example' }, 0),
      derivedEntityId({ ...value, field: 'email","a', value: '' }, 0),
    ];
    expect(new Set(ids).size).toBe(ids.length);
  });
});
