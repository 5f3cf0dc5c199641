import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { addTallies, EMPTY_TALLY, processed, progressFigures, tally } from './accounting.ts';
import { failure, skipped, success, type Outcome } from './outcome.ts';

const outcome: fc.Arbitrary<Outcome> = fc.oneof(
  fc.constant(success()),
  fc.constantFrom('A', 'B').map((code) => failure(code, 'm')),
  fc.constantFrom('C', 'D').map((code) => skipped(code, 'm')),
);
const outcomes = fc.array(outcome, { maxLength: 60 });

describe('tally', () => {
  it('counts every outcome once, and every code of outcomes with a code', () => {
    fc.assert(
      fc.property(outcomes, (list) => {
        const { codes, ...byStatus } = tally(list);
        expect(processed(byStatus)).toBe(list.length);
        const coded = Object.values(codes).reduce((sum, n) => sum + n, 0);
        expect(coded).toBe(byStatus.failure + byStatus.skipped);
      }),
    );
  });

  it('sums up over two lists, however they are split', () => {
    fc.assert(
      fc.property(outcomes, fc.nat(60), (list, cut) => {
        const sum = addTallies(tally(list.slice(0, cut)), tally(list.slice(cut)));
        expect(sum).toEqual(tally(list));
        expect(addTallies(sum, EMPTY_TALLY)).toEqual(sum);
      }),
    );
  });
});

describe('progressFigures', () => {
  const at = (seconds: number) => new Date(Date.UTC(2026, 0, 1) + seconds * 1000);
  const RUNS = { pausedSince: null, pausedMs: 0 };

  it('show 100 percent only when every position has an outcome', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1_000_000 }), fc.nat(1_000_000), (total, n) => {
        const success_ = Math.min(total, n);
        const input = {
          total,
          success: success_,
          failure: 0,
          skipped: 0,
          startedAt: null,
          finishedAt: null,
          ...RUNS,
        };
        const { percent } = progressFigures(input, at(0));
        expect(percent === 100).toBe(success_ === total);
        expect(percent).toBeGreaterThanOrEqual(0);
      }),
    );
  });

  it('derive rate and estimated end from the progress since the first outcome', () => {
    const input = {
      total: 1000,
      success: 150,
      failure: 30,
      skipped: 20,
      startedAt: at(0),
      finishedAt: null,
      ...RUNS,
    };
    expect(progressFigures(input, at(10))).toEqual({ processed: 200, percent: 20, rate: 20, eta: at(50) });
  });

  it('freeze the rate at the end and have no estimate then', () => {
    const input = {
      total: 100,
      success: 100,
      failure: 0,
      skipped: 0,
      startedAt: at(0),
      finishedAt: at(4),
      ...RUNS,
    };
    expect(progressFigures(input, at(3600))).toEqual({ processed: 100, percent: 100, rate: 25, eta: null });
  });

  it('have no rate before any time has passed', () => {
    const input = {
      total: 100,
      success: 5,
      failure: 0,
      skipped: 0,
      startedAt: at(7),
      finishedAt: null,
      ...RUNS,
    };
    expect(progressFigures(input, at(7))).toEqual({ processed: 5, percent: 5, rate: null, eta: null });
  });

  it('freeze while the action is paused and have no estimate then', () => {
    const counted = { total: 1000, success: 200, failure: 0, skipped: 0, startedAt: at(0), finishedAt: null };
    const paused = { ...counted, pausedSince: at(10), pausedMs: 0 };
    const figures = { processed: 200, percent: 20, rate: 20, eta: null };
    for (const later of [10, 11, 3600]) expect(progressFigures(paused, at(later))).toEqual(figures);
    // Paused before its first outcome was counted.
    expect(progressFigures({ ...paused, startedAt: at(12) }, at(60))).toMatchObject({
      rate: null,
      eta: null,
    });
  });

  it('exclude the time in which the action was paused', () => {
    const resumed = { total: 1000, success: 200, failure: 0, skipped: 0, startedAt: at(0), finishedAt: null };
    const input = { ...resumed, pausedSince: null, pausedMs: 3_590_000 };
    expect(progressFigures(input, at(3600))).toEqual({
      processed: 200,
      percent: 20,
      rate: 20,
      eta: at(3640),
    });
    const ended = { ...input, success: 1000, finishedAt: at(3640) };
    expect(progressFigures(ended, at(9999))).toMatchObject({ rate: 20, eta: null });
  });
});
