import { describe, expect, it } from '@jest/globals';
import type { Lane } from '@bulk/domain';
import fc from 'fast-check';
import { Turns, type Contender } from './turns.ts';

const of = (actionId: string, accountId: string, lane: Lane = 'normal'): Contender => ({
  actionId,
  accountId,
  lane,
});
const take = (turns: Turns, contenders: readonly Contender[], n: number): string[] =>
  Array.from({ length: n }, () => turns.take(contenders)!.actionId);

describe('turns', () => {
  it('rotate over accounts, and over the actions of an account', () => {
    const contenders = [of('a1', 'a'), of('a2', 'a'), of('a3', 'a'), of('b1', 'b')];
    expect(take(new Turns(), contenders, 8)).toEqual(['a1', 'b1', 'a2', 'b1', 'a3', 'b1', 'a1', 'b1']);
  });

  it('rotate over lanes, whatever accounts they contain', () => {
    const contenders = [of('n1', 'a'), of('n2', 'b'), of('h1', 'a', 'high')];
    expect(take(new Turns(), contenders, 6)).toEqual(['n1', 'h1', 'n2', 'h1', 'n1', 'h1']);
  });

  it('go to a newcomer next', () => {
    const turns = new Turns();
    take(turns, [of('a1', 'a'), of('a2', 'a')], 7);
    expect(turns.take([of('a1', 'a'), of('a2', 'a'), of('b1', 'b')])?.actionId).toBe('b1');
  });

  it('do not treat an account as a newcomer at each of its small actions', () => {
    const turns = new Turns();
    const large = of('l', 'large');
    let served = 0;
    for (let i = 0; i < 100; i += 1) {
      const here = [of(`small-${i}`, 'small'), large];
      if (turns.take(here) === large) served += 1;
      turns.forget([large]);
    }
    expect(served).toBeGreaterThanOrEqual(49);
  });

  it('go to no contender when there is none', () => {
    expect(new Turns().take<Contender>([])).toBeUndefined();
  });

  it('differ by at most one among the accounts of a lane, and among the actions of an account', () => {
    const contender = fc.record({
      actionId: fc.uuid(),
      accountId: fc.constantFrom('a', 'b', 'c', 'd'),
      lane: fc.constantFrom('high', 'normal', 'low'),
    });
    const spread = (counts: readonly number[]): number => Math.max(...counts) - Math.min(...counts);
    fc.assert(
      fc.property(
        fc.uniqueArray(contender, { minLength: 1, maxLength: 12, selector: ({ actionId }) => actionId }),
        fc.integer({ min: 1, max: 60 }),
        (contenders, n) => {
          const turns = new Turns();
          const taken = take(turns, contenders, n);
          const countBy = (key: (one: Contender) => string, some: readonly Contender[]): number[] =>
            [...new Set(some.map(key))].map(
              (each) =>
                taken.filter((id) => some.some((one) => one.actionId === id && key(one) === each)).length,
            );
          expect(spread(countBy(({ lane }) => lane, contenders))).toBeLessThanOrEqual(1);
          for (const { lane, accountId } of contenders) {
            const inLane = contenders.filter((one) => one.lane === lane);
            expect(spread(countBy((one) => one.accountId, inLane))).toBeLessThanOrEqual(1);
            const ofAccount = inLane.filter((one) => one.accountId === accountId);
            expect(spread(countBy((one) => one.actionId, ofAccount))).toBeLessThanOrEqual(1);
          }
        },
      ),
    );
  });
});
