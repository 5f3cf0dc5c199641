import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { between, pick, randomFor } from './random.ts';
import { SAMPLE_COMPANIES, SAMPLE_CONTACTS, SAMPLE_LEADS } from './records.ts';
import { documentOf } from './seed-account.ts';

describe.each([
  ['contacts', SAMPLE_CONTACTS],
  ['companies', SAMPLE_COMPANIES],
  ['leads', SAMPLE_LEADS],
])('sample %s', (_name, sample) => {
  it('fit their entity type and depend only on their number', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 10_000_000 }), (number) => {
        const document = documentOf('demo', sample, number);
        expect(document).toEqual(documentOf('demo', sample, number));
        expect(document).toMatchObject({ _id: `demo:${sample.idOf(number)}`, accountId: 'demo', version: 1 });
      }),
    );
  });
});

describe('sample companies', () => {
  it('have unique domains', () => {
    const domains = Array.from({ length: 2_000 }, (_, i) => SAMPLE_COMPANIES.fieldsOf(i + 1)['domain']);
    expect(new Set(domains).size).toBe(2_000);
  });
});

describe('randomFor', () => {
  it('stays in [0, 1) and returns the same numbers for the same text', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const numbers = Array.from({ length: 20 }, randomFor(text));
        expect(numbers.every((n) => n >= 0 && n < 1)).toBe(true);
        expect(Array.from({ length: 20 }, randomFor(text))).toEqual(numbers);
      }),
    );
  });

  it('spreads evenly enough over ten choices', () => {
    const random = randomFor('spread');
    const counts = new Map<number, number>();
    for (let i = 0; i < 10_000; i += 1) {
      const n = between(random, 1, 10);
      counts.set(n, (counts.get(n) ?? 0) + 1);
    }
    expect([...counts.keys()].sort((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    for (const count of counts.values()) expect(Math.abs(count - 1_000)).toBeLessThan(150);
  });

  it('has nothing to pick from an empty list', () => {
    expect(() => pick(randomFor(''), [])).toThrow(RangeError);
  });
});
