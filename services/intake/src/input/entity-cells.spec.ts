import { describe, expect, it } from '@jest/globals';
import { cellsOf, textOf } from './entity-cells.ts';

describe('cellsOf', () => {
  it('writes the fields and changes of an entity as the columns of an upload', () => {
    const fields = {
      city: 'Bonn',
      set: { score: 5, email: null },
      unset: ['notes'],
      increment: { score: -1 },
      addToList: { tags: ['a', 'b'] },
      removeFromList: { tags: [] },
      active: true,
      increments: { a: 1 },
    };
    expect([...cellsOf(fields)].map(([column, value]) => [column, textOf(value)])).toEqual([
      ['city', 'Bonn'],
      ['score', '5'],
      ['email', '#N/A'],
      ['notes', '#N/A'],
      ['increment.score', '-1'],
      ['addToList.tags', '["a","b"]'],
      ['removeFromList.tags', '[]'],
      ['active', 'true'],
      ['increments', '{"a":1}'],
    ]);
  });
});
