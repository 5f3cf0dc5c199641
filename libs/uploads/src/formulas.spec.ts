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
