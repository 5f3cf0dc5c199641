import { describe, expect, it } from '@jest/globals';
import { FaultyRow, incomingEntitySchema, toEntity } from './entity.ts';
import { BY_ID, rowSchema } from './row-identity.ts';
import { failure, MAX_OUTCOME_MESSAGE_LENGTH } from './outcome.ts';

describe('incomingEntitySchema', () => {
  it('accepts any fields in addition to id and ref, and separates them', () => {
    const incoming = incomingEntitySchema.parse({ id: 'c1', ref: 'row 7', email: 1, $odd: null });
    expect(toEntity(4, incoming)).toEqual({
      position: 4,
      id: 'c1',
      ref: 'row 7',
      fields: { email: 1, $odd: null },
    });
    expect(toEntity(0, incomingEntitySchema.parse({ id: 'c1' })).ref).toBeNull();
  });

  it.each([
    ['an empty id', { id: '' }],
    ['a number as id', { id: 7 }],
    ['an id too long', { id: 'x'.repeat(257) }],
    ['a ref that is not a string', { id: 'a', ref: 1 }],
    ['an id that is not well-formed Unicode', { id: 'a\ud800' }],
    ['a string', 'c1'],
    ['null', null],
    ['a list', ['c1']],
  ])('refuses %s', (_what, value) => {
    expect(incomingEntitySchema.safeParse(value).success).toBe(false);
  });
});

describe('rowSchema', () => {
  const field = { by: 'field', field: 'email' } as const;
  it.each([
    ['an id of its own', BY_ID, { id: 'c1' }, true],
    ['an id of its own', BY_ID, {}, false],
    ['an id of its own or none', { by: 'optional-id' } as const, {}, true],
    ['an id of its own or none', { by: 'optional-id' } as const, { id: null }, false],
    ['a field', field, { email: 'a@b.example' }, true],
    ['a field', field, { email: 'a@b.example', id: 'c1' }, false],
    ['a field', field, { email: 'a@b.example', id: null }, false],
  ])('of rows with %s decides whether an id may be there: %j %j', (_what, identity, row, valid) => {
    expect(rowSchema(identity).safeParse(row).success).toBe(valid);
  });

  it('does not let a row without an id become a position', () => {
    expect(() => toEntity(3, { email: 'a@b.example' })).toThrow('the row at position 3 has no id');
  });
});

describe('FaultyRow', () => {
  it('becomes a position with a fault, and without an id if the row names none', () => {
    const fault = { code: 'INVALID_ROW', message: 'line 7: expected 3 cells, found 2' };
    expect(toEntity(6, new FaultyRow(fault, { ref: 'row 7' }))).toEqual({
      position: 6,
      id: '',
      ref: 'row 7',
      fields: {},
      fault,
    });
  });
});

describe('failure', () => {
  it('truncates long messages', () => {
    expect(failure('X', 'm'.repeat(10_000)).message).toHaveLength(MAX_OUTCOME_MESSAGE_LENGTH);
    expect(failure('X', 'short').message).toBe('short');
  });
});
