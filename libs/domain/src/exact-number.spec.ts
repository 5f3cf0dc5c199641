import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { inexactNumber, inexactNumbers, isExactNumber } from './exact-number.ts';

describe('isExactNumber', () => {
  it.each([
    ['0', true],
    ['-0', true],
    ['-0.000', true],
    ['0.1', true],
    ['3.0', true],
    ['1e3', true],
    ['1E+22', true],
    ['9007199254740992', true],
    ['9007199254740993', false],
    ['-9007199254740993', false],
    ['0.1234567890123456789', false],
    ['1e400', false],
    ['-1e400', false],
    ['1e-400', false],
    ['100000000000000000000000', true],
    ['123456789012345678', false],
  ])('returns for %s: %s', (text, expected) => {
    expect(isExactNumber(text)).toBe(expected);
  });

  it('accepts every number that a double can write', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (number) => {
        expect(isExactNumber(JSON.stringify(number))).toBe(true);
      }),
    );
  });
});

describe('inexactNumbers', () => {
  it('returns the path of each number that is not exact, at any depth', () => {
    const big = inexactNumber('9007199254740993');
    expect(inexactNumbers({ a: 1, b: big, c: [2, { d: big }], e: null })).toEqual([
      { field: 'b', message: expect.stringContaining('found 9007199254740993') },
      { field: 'c[1].d', message: expect.stringContaining('found 9007199254740993') },
    ]);
  });
});
