import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { exactSum, inexactNumber, inexactNumbers, isExactNumber } from './exact-number.ts';

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

describe('exactSum', () => {
  it.each([
    [0.1, 0.2, 0.3],
    [0.3, -0.1, 0.2],
    [1e-7, 2e21, undefined],
    [1.5e300, 1e300, 2.5e300],
    [5e-324, -5e-324, 0],
    [1.7e308, 1.7e308, undefined],
    [9007199254740991, 1, 9007199254740992],
    [9007199254740992, 1, undefined],
    [0.1, 9007199254740991, undefined],
    [Infinity, 1, undefined],
    [Number.NaN, 1, undefined],
  ])('adds %d and %d to %s', (a, b, sum) => {
    expect(exactSum(a, b)).toBe(sum);
    expect(exactSum(b, a)).toBe(sum);
  });

  it('adds amounts of cents as whole numbers of cents', () => {
    const cents = fc.integer({ min: -1e12, max: 1e12 });
    fc.assert(
      fc.property(cents, cents, (a, b) => {
        expect(exactSum(a / 100, b / 100)).toBe((a + b) / 100);
      }),
    );
  });

  it('returns every number for its sum with 0', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (number) => {
        expect(exactSum(number, 0) === number).toBe(true);
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
