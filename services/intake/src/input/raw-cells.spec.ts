import { describe, expect, it } from '@jest/globals';
import { rawCells, valueOf } from './raw-cells.ts';

describe('rawCells', () => {
  it.each([
    ['', [''], ['']],
    ['a,b,', ['a', 'b', ''], ['a', 'b', '']],
    ['"a,b","say ""yes"", now",x', ['"a,b"', '"say ""yes"", now"', 'x'], ['a,b', 'say "yes", now', 'x']],
    ['"",""""', ['""', '""""'], ['', '"']],
    [' "a",b"c,d', [' "a"', 'b"c', 'd'], [' "a"', 'b"c', 'd']],
    ['"a\r\n,b",\u00e9', ['"a\r\n,b"', '\u00e9'], ['a\r\n,b', '\u00e9']],
    ['"never closed, x', ['"never closed, x'], ['never closed, x']],
  ])('splits %j without changing a cell', (text, cells, values) => {
    expect(rawCells(text, ',')).toEqual(cells);
    expect(rawCells(text, ',').map(valueOf)).toEqual(values);
    expect(rawCells(text, ',').join(',')).toBe(text);
  });
});
