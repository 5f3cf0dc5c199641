import { describe, expect, it } from '@jest/globals';
import type { Lane } from '@bulk/domain';
import fc from 'fast-check';
import { batchWeight } from './batch-weight.ts';
import { InFlight } from './in-flight.ts';

const of = (actionId: string, accountId: string, lane: Lane = 'normal') => ({
  actionId,
  accountId,
  lane,
  batchWeight: 1,
});

const inFlightOf = (account: number, lane: number): InFlight =>
  new InFlight({ account, laneAt: () => lane, staleMs: 60_000 });

/** An action whose entities are spread over six partitions. */
const SMALL = { total: 100, batchCount: 6 };

describe('the limit of batches in flight', () => {
  it('leaves an account alone in its lane its own limit, and two batches of the lane to others', () => {
    const inFlight = inFlightOf(8, 100);
    inFlight.note([], [of('1', 'a')], 0);
    expect(inFlight.roomFor(of('1', 'a'))).toBe(8);
    inFlight.published(of('1', 'a'), 5);
    expect(inFlight.roomFor(of('1', 'a'))).toBe(3);
    const narrow = inFlightOf(8, 10);
    narrow.note([], [of('1', 'a')], 0);
    expect(narrow.roomFor(of('1', 'a'))).toBe(8);
    const wide = inFlightOf(100, 40);
    wide.note([], [of('1', 'a')], 0);
    expect(wide.roomFor(of('1', 'a'))).toBe(38);
  });

  it('applies to each lane separately', () => {
    const inFlight = inFlightOf(8, 16);
    inFlight.note(
      [{ lane: 'low', accountId: 'a', batches: 8, stale: 0 }],
      [of('1', 'a', 'low'), of('2', 'a', 'high')],
      0,
    );
    expect(inFlight.roomFor(of('1', 'a', 'low'))).toBe(0);
    expect(inFlight.roomFor(of('2', 'a', 'high'))).toBe(8);
  });

  it('is shared among all accounts, also those of other instances, and among the actions of an account', () => {
    const inFlight = inFlightOf(100, 40);
    const here = [of('1', 'a'), of('2', 'a'), of('3', 'b')];
    inFlight.note([{ lane: 'normal', accountId: 'elsewhere', batches: 3, stale: 0 }], here, 0);
    expect(inFlight.roomFor(of('3', 'b'))).toBe(12);
    expect(inFlight.roomFor(of('1', 'a'))).toBe(6);
  });

  it('makes room for an action that arrives between two looks, and shares the lane with its account', () => {
    const inFlight = inFlightOf(100, 42);
    inFlight.note([], [of('1', 'a')], 0);
    expect(inFlight.roomFor(of('1', 'a'))).toBe(40);
    inFlight.arrived(of('2', 'b'));
    expect([inFlight.roomFor(of('1', 'a')), inFlight.roomFor(of('2', 'b'))]).toEqual([20, 20]);
    inFlight.arrived(of('3', 'b'));
    expect([inFlight.roomFor(of('1', 'a')), inFlight.roomFor(of('2', 'b'))]).toEqual([20, 10]);
    inFlight.left(of('3', 'b'));
    expect(inFlight.roomFor(of('2', 'b'))).toBe(20);
  });

  it('lets an account with nothing in flight publish one batch into a full lane, but no second one', () => {
    // A fresh instance has a window of 12, while another one has 29 batches in flight.
    const inFlight = inFlightOf(10, 12);
    inFlight.note(
      [{ lane: 'normal', accountId: 'b', batches: 29, stale: 0 }],
      [of('1', 'a'), of('2', 'b')],
      0,
    );
    expect(inFlight.roomFor(of('1', 'a'))).toBe(1);
    expect(inFlight.roomFor(of('2', 'b'))).toBe(0);
    inFlight.published(of('1', 'a'), 1);
    expect(inFlight.roomFor(of('1', 'a'))).toBe(0);
    inFlight.note([], [of('1', 'a')], 20);
    expect(inFlight.roomFor(of('1', 'a'))).toBe(10);
  });

  it('counts the batches of a small action as parts of a full one and lets them go at once', () => {
    const inFlight = inFlightOf(100, 12);
    const [large, small] = [of('1', 'a'), { ...of('2', 'b'), batchWeight: batchWeight(SMALL, 100) }];
    inFlight.note([{ lane: 'normal', accountId: 'a', batches: 10, stale: 0 }], [large], 0);
    inFlight.arrived(small);
    expect(inFlight.roomFor(small)).toBe(6);
    inFlight.published(small, 6);
    expect(inFlight.roomFor(small)).toBe(0);
    for (let left = 6; left > 0; left -= 1) inFlight.published(small, -1);
    expect(inFlight.roomFor(small)).toBe(6);
  });

  it('lets a full batch take a part of its room, so that small batches of its account do not starve it', () => {
    const inFlight = inFlightOf(100, 12);
    const large = of('1', 'a');
    inFlight.note([{ lane: 'normal', accountId: 'a', batches: 9.5, stale: 0 }], [large], 0);
    expect(inFlight.roomFor(large)).toBe(1);
    inFlight.published(large, 1);
    expect(inFlight.roomFor(large)).toBe(0);
  });

  it('is never exceeded, and a newcomer always has room when the others use their shares', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 50 }),
        fc.integer({ min: 2, max: 200 }),
        fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd', 'e'), { minLength: 1 }),
        (account, lane, accounts) => {
          fc.pre(lane > accounts.length + 1);
          const inFlight = inFlightOf(account, lane);
          const here = accounts.map((accountId) => of(accountId, accountId));
          inFlight.note([], here, 0);
          const published = here.map((one) => {
            let sum = 0;
            for (let room = inFlight.roomFor(one); room > 0; room = inFlight.roomFor(one)) {
              inFlight.published(one, room);
              sum += room;
            }
            return { ...one, batches: sum, stale: 0 };
          });
          expect(published.every(({ batches }) => batches >= 1 && batches <= account)).toBe(true);
          expect(published.reduce((sum, { batches }) => sum + batches, 0)).toBeLessThan(lane);
          const newcomer = of('new', 'new');
          inFlight.note(published, [...here, newcomer], 0);
          expect(inFlight.roomFor(newcomer)).toBeGreaterThan(0);
        },
      ),
    );
  });
});
