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
  isFinal,
  judgeControl,
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
  cancelled: { ...EMPTY_TALLY, success: 5, skipped: 15, codes: { ACTION_CANCELLED: 15 } },
};

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
      const done = stage === 'all' || stage === 'cancelled';
      for (const update of [
        counted(counting, [0], NOW),
        skipped(counting, { nextBatch: 4, done, lease }, NOW),
      ]) {
        const actionId = await givenAction({ status, finishedAt });
        const after = await updated(actionId, update);
        expect(outcomeStage({ ...after.counts, codes: after.codes }, TOTAL)).toBe(stage);
        expect([stage, after.status]).toEqual([stage, statusAfterOutcomes(status, stage)]);
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

it('leads an action through any sequence of steps as the rules of the domain say', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 15 }), async (steps) => {
      const actionId = await givenAction();
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
        if (each.kind === 'control') {
          const changes = judgeControl(each.control, status, before.cancelRequestedAt !== null) === 'change';
          if (changes) expected = statusAfterControl(each.control, status, reached(before));
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
            expected = statusAfterOutcomes(status, outcomeStage(sum, TOTAL));
          }
          action = await updated(actionId, counted({ tally, batches: 1, upTo }, [], now), fits(tally));
        }
        expect(action.status).toBe(expected);
        expect({ ...action.counts, codes: action.codes }).toEqual(sum);
        if (action.version !== before.version) checkDerived(before, action);
      }
    }),
    { numRuns: 60 },
  );
});
