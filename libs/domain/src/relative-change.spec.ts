import { describe, expect, it } from '@jest/globals';
import { equalValues, relativeValue } from './relative-change.ts';

describe('relativeValue', () => {
  it('adds to a number, and counts an absent one as 0', () => {
    expect(relativeValue({ kind: 'increment', by: -2 }, 5)).toEqual({ ok: true, value: 3 });
    expect(relativeValue({ kind: 'increment', by: 4 }, undefined)).toEqual({ ok: true, value: 4 });
    expect(relativeValue({ kind: 'increment', by: 4 }, null)).toEqual({ ok: true, value: 4 });
    expect(relativeValue({ kind: 'increment', by: 4 }, '5').ok).toBe(false);
  });

  it('adds as decimal numbers, and refuses a sum that no double holds', () => {
    expect(relativeValue({ kind: 'increment', by: 0.2 }, 0.1)).toEqual({ ok: true, value: 0.3 });
    expect(relativeValue({ kind: 'increment', by: 1 }, 9007199254740992)).toEqual({
      ok: false,
      message: expect.stringContaining('found 9007199254740992 + 1'),
    });
  });

  it('appends what a list lacks, once and in order', () => {
    const values = ['b', 'c', 'c', { x: 1 }, { x: 1 }];
    expect(relativeValue({ kind: 'addToList', values }, ['a', 'b'])).toEqual({
      ok: true,
      value: ['a', 'b', 'c', { x: 1 }],
    });
    expect(relativeValue({ kind: 'addToList', values: ['a'] }, undefined)).toEqual({
      ok: true,
      value: ['a'],
    });
    expect(relativeValue({ kind: 'addToList', values }, 'b').ok).toBe(false);
  });

  it('removes every equal value, and leaves an absent list absent', () => {
    const change = { kind: 'removeFromList', values: ['a', { x: 1 }] } as const;
    expect(relativeValue(change, ['a', 'b', 'a', { x: 1 }])).toEqual({ ok: true, value: ['b'] });
    expect(relativeValue(change, ['a'])).toEqual({ ok: true, value: [] });
    expect(relativeValue(change, undefined)).toEqual({ ok: true, value: undefined });
  });
});

describe('equalValues', () => {
  it('compares JSON values by content', () => {
    expect(equalValues({ a: [1, { b: null }], c: 2 }, { c: 2, a: [1, { b: null }] })).toBe(true);
    expect(equalValues([1, 2], [2, 1])).toBe(false);
    expect(equalValues([], {})).toBe(false);
    expect(equalValues({ a: undefined }, { b: undefined })).toBe(false);
    expect(equalValues(new Date(1), new Date(1))).toBe(true);
    expect(equalValues(null, {})).toBe(false);
  });
});
