import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { escapeFormulas, unescapeFormulas } from './formulas.ts';

describe('escapeFormulas', () => {
  it.each([
    ['=1+1', "'=1+1"],
    ['+49 228 1', "'+49 228 1"],
    [' \u200b"@x', '\' \u200b"@x'],
    ["'=1", "''=1"],
    ['a;-b\n=c', "a;'-b\n'=c"],
    ['a-b', 'a-b'],
    ['007', "'007"],
    ['0228123456', "'0228123456"],
    ['1E5', "'1E5"],
    ['1234567890123456789', "'1234567890123456789"],
    ['2026-01-01', "'2026-01-01"],
    ['1/2', "'1/2"],
    ['10:30 PM', "'10:30 PM"],
    ['€ 1,50', "'€ 1,50"],
    ["'007", "''007"],
    ['#N/A', "'#N/A"],
    ["'#N/A", "''#N/A"],
    ['a\n007', 'a\n007'],
    ['4th floor', '4th floor'],
    ['[1,2]', '[1,2]'],
    ['E', 'E'],
    ["O'Neil", "O'Neil"],
    ['["vip"]', '["vip"]'],
  ])('turns %j into %j', (text, escaped) => {
    expect(escapeFormulas(text)).toBe(escaped);
  });

  it('is undone by unescapeFormulas for every text', () => {
    const part = fc.constantFrom(
      "'",
      '"',
      ' ',
      ';',
      '\t',
      '\n',
      '\r',
      '=',
      '+',
      '-',
      '@',
      'a',
      '0',
      '7E',
      '.',
      '/',
      '#N/A',
      '\u200b',
      '\u{1f600}',
    );
    fc.assert(
      fc.property(
        fc.array(part).map((parts) => parts.join('')),
        (text) => {
          expect(unescapeFormulas(escapeFormulas(text))).toBe(text);
        },
      ),
      { numRuns: 3_000 },
    );
  });
});
