import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { EMPTY_TALLY, processed } from './accounting.ts';
import {
  ACCEPTED_STATUS,
  ACTION_STATUSES,
  STARTED_STATUSES,
  CONTROLS,
  controllableStatuses,
  DISPATCHED_STATUSES,
  FINAL_STATUSES,
  isFinal,
  judgeControl,
  mayBecome,
  MILESTONES,
  OUTCOME_STAGES,
  outcomeStage,
  statusAfterControl,
  statusAfterOutcomes,
  statusAfterPublication,
  UNFINISHED_STATUSES,
  type ActionStatus,
} from './action-lifecycle.ts';

const status = fc.constantFrom(...ACTION_STATUSES);
const counts = fc.record({ success: fc.nat(50), failure: fc.nat(50), skipped: fc.nat(50) });

/** Every transition that a rule makes, as [from, to]. */
function moves(): [ActionStatus, ActionStatus][] {
  const made = ACTION_STATUSES.flatMap((from): [ActionStatus, ActionStatus][] => [
    [from, statusAfterPublication(from)],
    ...OUTCOME_STAGES.map((stage): [ActionStatus, ActionStatus] => [from, statusAfterOutcomes(from, stage)]),
    ...CONTROLS.filter((control) => controllableStatuses(control).includes(from)).flatMap((control) =>
      MILESTONES.map((reached): [ActionStatus, ActionStatus] => [
        from,
        statusAfterControl(control, from, reached),
      ]),
    ),
  ]);
  return made.filter(([from, to]) => from !== to);
}

describe('the lifecycle of an action', () => {
  it('declares exactly the transitions that its rules produce', () => {
    const made = new Set(moves().map(([from, to]) => `${from} → ${to}`));
    const declared = ACTION_STATUSES.flatMap((from) =>
      ACTION_STATUSES.filter((to) => mayBecome(from, to)).map((to) => `${from} → ${to}`),
    );
    expect([...made].sort()).toEqual(declared.sort());
  });

  it('divides the statuses into unfinished and final ones, and dispatches only unfinished actions', () => {
    expect([...UNFINISHED_STATUSES, ...FINAL_STATUSES].sort()).toEqual([...ACTION_STATUSES].sort());
    expect(FINAL_STATUSES).toEqual(['completed', 'failed', 'cancelled']);
    expect(DISPATCHED_STATUSES).toEqual(['pending', 'queued', 'processing']);
    expect(STARTED_STATUSES).toEqual(['queued', 'processing']);
    expect(DISPATCHED_STATUSES.filter(isFinal)).toEqual([]);
  });

  it('leads from acceptance to an end through every status', () => {
    expect(ACCEPTED_STATUS).toBe('pending');
    for (const from of UNFINISHED_STATUSES) expect(isFinal(statusAfterOutcomes(from, 'all'))).toBe(true);
  });
});

describe('statusAfterOutcomes', () => {
  it('is completed exactly when every position has an outcome, and never leaves a final status', () => {
    fc.assert(
      fc.property(
        status,
        counts,
        fc.nat(1),
        fc.integer({ min: 1, max: 150 }),
        (from, c, cancelled, total) => {
          const stage = outcomeStage({ ...c, codes: { ACTION_CANCELLED: cancelled } }, total);
          const next = statusAfterOutcomes(from, stage);
          if (isFinal(from)) expect(next).toBe(from);
          else if (processed(c) < total) expect(isFinal(next)).toBe(false);
          else expect(next).toBe(cancelled > 0 ? 'cancelled' : 'completed');
        },
      ),
    );
  });

  it('turns pending and queued into processing at the first outcome and keeps paused', () => {
    const one = outcomeStage({ success: 1, failure: 0, skipped: 0, codes: {} }, 2);
    expect(statusAfterOutcomes('pending', one)).toBe('processing');
    expect(statusAfterOutcomes('queued', one)).toBe('processing');
    expect(statusAfterOutcomes('queued', outcomeStage(EMPTY_TALLY, 2))).toBe('queued');
    expect(statusAfterOutcomes('paused', one)).toBe('paused');
  });
});

describe('judgeControl', () => {
  it('refuses changes to an action that has ended or is being cancelled', () => {
    for (const control of CONTROLS) {
      for (const from of ACTION_STATUSES) {
        expect(judgeControl(control, from, true)).not.toBe('change');
        if (isFinal(from)) expect(judgeControl(control, from, false)).not.toBe('change');
      }
    }
  });

  it('does nothing for a control whose effect already holds', () => {
    const unfinished = fc.constantFrom(...UNFINISHED_STATUSES);
    fc.assert(
      fc.property(
        unfinished,
        fc.constantFrom(...CONTROLS),
        fc.constantFrom(...MILESTONES),
        (from, control, at) => {
          if (judgeControl(control, from, false) !== 'change') return;
          const after = statusAfterControl(control, from, at);
          expect(judgeControl(control, after, control === 'cancel')).toBe('done');
        },
      ),
    );
  });

  it.each([
    ['cancel', 'completed', false, 'conflict'],
    ['cancel', 'cancelled', true, 'done'],
    ['pause', 'paused', false, 'done'],
    ['pause', 'processing', true, 'conflict'],
    ['resume', 'failed', false, 'conflict'],
    ['resume', 'queued', false, 'done'],
    ['resume', 'queued', true, 'conflict'],
  ] as const)('judges %s of a %s action (cancelled: %s) as %s', (control, from, cancelled, verdict) => {
    expect(judgeControl(control, from, cancelled)).toBe(verdict);
  });
});
