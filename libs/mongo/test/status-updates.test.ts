import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  ACCEPTED_STATUS,
  ACTION_STATUSES,
  addTallies,
  CONTROLS,
  EMPTY_TALLY,
  isAccepted,
  isDispatched,
  hasFailed,
  isFinal,
  judgeControl,
  judgedLimit,
  mayBecome,
  MILESTONES,
  OUTCOME_STAGES,
  outcomeStage,
  processed,
  STAGING,
  statusAfterControl,
  statusAfterOutcomes,
  statusAfterPublication,
  type ActionStatus,
  type FailureLimit,
  type Milestone,
  type OutcomeStage,
  type Tally,
} from '@bulk/domain';
import { CONTACT_UPDATE, TestInstallation } from '@bulk/testing';
import fc from 'fast-check';
import type { Document } from 'mongodb';
import {
  acceptance,
  controllable,
  controlled,
  counted,
  fits,
  published,
  skipped,
  stagedFields,
} from '../src/actions/status-updates.ts';
import type { Database } from '../src/database.ts';
import type { ActionDocument } from '../src/documents.ts';

const TOTAL = 20;
const CREATED = new Date(1_000);
const NOW = new Date(5_000);

let installation: TestInstallation;
let database: Database;
beforeAll(async () => {
  installation = await TestInstallation.create('status-updates');
  database = await installation.database();
});
afterAll(() => installation.dispose());

async function givenAction(more: Partial<ActionDocument> = {}): Promise<string> {
  const _id = randomUUID();
  await database.actions.insertOne({
    _id,
    ...CONTACT_UPDATE,
    ...stagedFields(CREATED),
    total: TOTAL,
    batchCount: 4,
    ...more,
  });
  return _id;
}

async function updated(_id: string, update: Document[], filter: Document = {}): Promise<ActionDocument> {
  const after = await database.actions.findOneAndUpdate({ _id, ...filter }, update, {
    returnDocument: 'after',
  });
  return after ?? (await find(_id));
}

async function find(_id: string): Promise<ActionDocument> {
  return (await database.actions.findOne({ _id }))!;
}

function statusOf({ status }: ActionDocument): ActionStatus {
  if (!isAccepted(status)) throw new Error('the action is an upload');
  return status;
}

function reached(action: ActionDocument): Milestone {
  if (action.startedAt !== null) return 'started';
  return action.queuedAt === null ? 'none' : 'queued';
}

const times: Readonly<Record<Milestone, Partial<ActionDocument>>> = {
  none: {},
  queued: { queuedAt: CREATED },
  started: { queuedAt: CREATED, startedAt: CREATED },
};

const outcomes: Readonly<Record<OutcomeStage, Tally>> = {
  none: EMPTY_TALLY,
  some: { ...EMPTY_TALLY, success: 3 },
  all: { ...EMPTY_TALLY, success: TOTAL },
  failing: { ...EMPTY_TALLY, success: 3, failure: 3, codes: { F: 3 } },
  halted: { ...EMPTY_TALLY, success: 3, failure: 3, codes: { F: 3 } },
  cancelled: { ...EMPTY_TALLY, success: 5, skipped: 15, codes: { ACTION_CANCELLED: 15 } },
  failed: { ...EMPTY_TALLY, success: 5, failure: 3, skipped: 12, codes: { F: 3, ACTION_FAILED: 12 } },
};

const failing: FailureLimit = { max: 2, unit: 'failures', then: 'fail' };
const limits: Readonly<Partial<Record<OutcomeStage, FailureLimit>>> = {
  some: { ...failing, max: 3 },
  failing,
  halted: { ...failing, then: 'pause' },
  // A share of few positions is judged at the end.
  failed: { max: 1_000, unit: 'basisPoints', then: 'fail' },
};

/** The state of an action that its failures decide, by the rules of the domain. */
function judged(
  before: ActionDocument,
  sum: Tally,
): Pick<ActionDocument, 'failureLimit'> & { stage: OutcomeStage } {
  const stopping = before.cancelRequestedAt !== null;
  const ended = isFinal(statusOf(before));
  const limit = judgedLimit(before.failureLimit, sum, { ended, stopping, total: TOTAL });
  return {
    ...(limit === undefined ? {} : { failureLimit: limit }),
    stage: outcomeStage(sum, TOTAL, limit, stopping),
  };
}

const lease = { owner: 'me/1', until: new Date(60_000) };
const upTo = { partition: 0, offset: 0 };

/** Checks the invariants of an action after an update, given its state before. */
function checkDerived(before: ActionDocument, after: ActionDocument): void {
  const [from, to] = [before.status, statusOf(after)];
  if (from !== to && isAccepted(from)) expect([from, to, mayBecome(from, to)]).toEqual([from, to, true]);
  if (from !== to) expect(after.version).toBe(before.version + 1);
  expect(after.finishedAt !== null).toBe(isFinal(to));
  expect(after.dispatch.dueAt !== undefined).toBe(isDispatched(to) && !after.dispatch.done);
}

describe.each(ACTION_STATUSES)('the updates of an action that is %s', (status) => {
  const finishedAt = isFinal(status) ? CREATED : null;

  it('move it after a publication as the rules of the domain say', async () => {
    for (const milestone of MILESTONES) {
      const actionId = await givenAction({ status, finishedAt, ...times[milestone] });
      const before = await find(actionId);
      const after = await updated(actionId, published({ nextBatch: 2, done: false, lease }, NOW));
      expect(after.status).toBe(statusAfterPublication(status));
      checkDerived(before, after);
    }
  });

  it('move it after outcomes as the rules of the domain say, also when they were skipped', async () => {
    for (const stage of OUTCOME_STAGES) {
      const tally = outcomes[stage];
      const counting = { tally, batches: 1, upTo };
      const done = ['all', 'cancelled', 'failed'].includes(stage);
      const failureLimit = limits[stage];
      for (const update of [
        counted(counting, [0], NOW),
        skipped(counting, { nextBatch: 4, done, lease }, NOW),
      ]) {
        const actionId = await givenAction({
          status,
          finishedAt,
          ...(failureLimit === undefined ? {} : { failureLimit }),
        });
        const expected = judged(await find(actionId), tally);
        if (!isFinal(status)) expect(expected.stage).toBe(stage);
        const after = await updated(actionId, update);
        expect([stage, after.status]).toEqual([stage, statusAfterOutcomes(status, expected.stage)]);
        expect(after.failureLimit).toEqual(expected.failureLimit);
        expect(after.cancelRequestedAt !== null).toBe(expected.stage === 'failing');
        const limited = expected.stage === 'failing' || expected.stage === 'halted';
        if (limited) expect(after.dispatch.dueAt !== undefined).toBe(isDispatched(statusOf(after)));
        expect(after.finishedAt !== null).toBe(isFinal(statusOf(after)));
      }
    }
  });

  it.each(CONTROLS)('%s it as the rules of the domain say', async (control) => {
    for (const milestone of MILESTONES) {
      for (const cancelRequestedAt of [null, CREATED]) {
        const actionId = await givenAction({ status, finishedAt, cancelRequestedAt, ...times[milestone] });
        const before = await find(actionId);
        const after = await updated(actionId, controlled(control, NOW), controllable(control));
        const changes = judgeControl(control, status, cancelRequestedAt !== null) === 'change';
        expect(after.status).toBe(changes ? statusAfterControl(control, status, milestone) : status);
        if (changes) checkDerived(before, after);
        else expect(after).toEqual(before);
      }
    }
  });
});

it('end an action without positions by its acceptance', async () => {
  const actionId = await givenAction();
  const after = await updated(actionId, acceptance({ total: 0, batchCount: 0 }, undefined, NOW), {
    status: STAGING,
  });
  expect(after.status).toBe(statusAfterOutcomes(ACCEPTED_STATUS, outcomeStage(EMPTY_TALLY, 0)));
  expect(after).toMatchObject({ finishedAt: NOW, dispatch: { done: true } });
  expect(after.dispatch.dueAt).toBeUndefined();
});

const step = fc.oneof(
  fc.constantFrom(...CONTROLS).map((control) => ({ kind: 'control', control }) as const),
  fc.constant({ kind: 'publish' } as const),
  fc
    .record({ success: fc.nat(7), failure: fc.nat(3), cancelled: fc.nat(4) })
    .map((counts) => ({ kind: 'count', ...counts }) as const),
);

const limit = fc.oneof(
  fc.record<FailureLimit>({
    max: fc.nat(4),
    unit: fc.constant('failures'),
    then: fc.constantFrom('fail', 'pause'),
  }),
  fc.record<FailureLimit>({
    max: fc.integer({ min: 1, max: 4_000 }),
    unit: fc.constant('basisPoints'),
    then: fc.constantFrom('fail', 'pause'),
  }),
);

it('leads an action through any sequence of steps as the rules of the domain say', async () => {
  const life = fc.array(step, { minLength: 3, maxLength: 15 });
  await fc.assert(
    fc.asyncProperty(life, fc.option(limit), async (steps, given) => {
      const actionId = await givenAction(given === null ? {} : { failureLimit: given });
      const size = { total: TOTAL, batchCount: 100 };
      let action = await updated(actionId, acceptance(size, undefined, NOW), { status: STAGING });
      expect(action.status).toBe(ACCEPTED_STATUS);
      let sum = EMPTY_TALLY;
      let at = NOW.getTime();
      for (const each of steps) {
        const before = action;
        const status = statusOf(before);
        const now = new Date((at += 10));
        let expected = status;
        let expectedLimit = before.failureLimit;
        if (each.kind === 'control') {
          const changes = judgeControl(each.control, status, before.cancelRequestedAt !== null) === 'change';
          if (changes) expected = statusAfterControl(each.control, status, reached(before));
          if (changes && each.control === 'resume' && expectedLimit?.state === 'reached')
            expectedLimit = { ...expectedLimit, state: 'lifted' };
          action = await updated(actionId, controlled(each.control, now), controllable(each.control));
        } else if (each.kind === 'publish') {
          expected = statusAfterPublication(status);
          const nextBatch = before.dispatch.nextBatch + 1;
          action = await updated(actionId, published({ nextBatch, done: false, lease }, now));
        } else {
          const { success, failure, cancelled } = each;
          const codes = {
            ...(failure > 0 ? { F: failure } : {}),
            ...(cancelled > 0 ? { ACTION_CANCELLED: cancelled } : {}),
          };
          const tally = { success, failure, skipped: cancelled, codes };
          if (processed(sum) + processed(tally) <= TOTAL) {
            sum = addTallies(sum, tally);
            const { stage, failureLimit } = judged(before, sum);
            expected = statusAfterOutcomes(status, stage);
            expectedLimit = failureLimit;
          }
          action = await updated(actionId, counted({ tally, batches: 1, upTo }, [], now), fits(tally));
        }
        expect(action.status).toBe(expected);
        expect(action.failureLimit).toEqual(expectedLimit);
        const stopped = hasFailed(action.failureLimit) && !isFinal(statusOf(action));
        if (stopped) expect(action.cancelRequestedAt).not.toBeNull();
        expect({ ...action.counts, codes: action.codes }).toEqual(sum);
        if (action.version !== before.version) checkDerived(before, action);
      }
    }),
    { numRuns: 60 },
  );
});
