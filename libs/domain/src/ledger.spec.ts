import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { driftOf, Ledger, type LedgerEntry } from './ledger.ts';

const entry = (position: number): LedgerEntry =>
  position % 3 === 0
    ? { position, status: 'failure', code: 'BAD' }
    : { position, status: 'success', code: null };

describe('Ledger', () => {
  it('finds exactly the positions with no outcome and those with several', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 60 }), fc.array(fc.nat(70), { maxLength: 90 }), (total, list) => {
        const ledger = new Ledger(total);
        for (const position of list) ledger.add([entry(position)]);
        const inside = list.filter((position) => position < total);
        const missing = ledger
          .missing()
          .flatMap(({ first, last }) => Array.from({ length: last - first + 1 }, (_, i) => first + i));
        const expected = Array.from({ length: total }, (_, i) => i).filter((i) => !list.includes(i));
        // At most 20 ranges are reported.
        expect(missing).toEqual(expected.slice(0, missing.length));
        if (ledger.missing().length < 20) expect(missing).toEqual(expected);
        expect(ledger.doubled).toBe(inside.length - new Set(inside).size);
        expect(ledger.beyond).toBe(list.length - inside.length);
        expect(ledger.batches).toBe(list.length);
        const failed = list.filter((position) => position % 3 === 0).length;
        expect(ledger.tally).toMatchObject({ failure: failed, success: list.length - failed });
      }),
    );
  });
});

describe('driftOf', () => {
  it('names each figure that differs, including codes', () => {
    const logged = { success: 2, failure: 1, skipped: 0, codes: { A: 1 } };
    expect(driftOf(logged, logged)).toEqual([]);
    expect(driftOf({ ...logged, success: 3, codes: { B: 1 } }, logged)).toEqual([
      { what: 'success', counted: 3, logged: 2 },
      { what: 'A', counted: 0, logged: 1 },
      { what: 'B', counted: 1, logged: 0 },
    ]);
  });
});
