import { describe, expect, it } from '@jest/globals';
import { ENTITY_TYPES } from '@bulk/action-types';
import { cellReader } from './cells.ts';

const contact = ENTITY_TYPES.find(({ name }) => name === 'contact')!;
const read = (column: string, text: string): unknown => cellReader(column, contact)(text);

describe('the value of a cell', () => {
  it.each([
    ['lastName', 'Miller', 'Miller'],
    ['lastName', '42', '42'],
    ['lastName', 'true', 'true'],
    ['score', '42', 42],
    ['score', '250', 250],
    ['score', 'high', 'high'],
    ['tags', '["a","b"]', ['a', 'b']],
    ['tags', 'a', 'a'],
    ['score', 'null', 'null'],
    ['country', '12', '12'],
    ['expectedVersion', '3', 3],
    ['expectedVersion', 'three', 'three'],
    ['id', '7', '7'],
    ['id', '', ''],
    ['id', '#N/A', null],
    ['lastName', '9007199254740993', '9007199254740993'],
    ['score', '9007199254740993', { $inexactNumber: '9007199254740993' }],
    ['score', '1e400', { $inexactNumber: '1e400' }],
    ['ref', 'row 1', 'row 1'],
    ['__proto__', '1', '1'],
    ['constructor', '1', '1'],
    ['lastName', '', undefined],
    ['ref', '', undefined],
    ['email', '#N/A', null],
  ])('in column %s with the text %j is %j', (column, text, value) => {
    expect(read(column, text)).toEqual(value);
  });
});
