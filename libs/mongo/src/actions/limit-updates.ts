import { FINAL_STATUSES, MIN_SHARE_OUTCOMES } from '@bulk/domain';
import type { Document } from 'mongodb';
import { DUE_AT } from './dispatch-state.ts';

/*
 * The rules of `failure-limit.ts` in @bulk/domain as expressions of the database, so that the update that counts
 * outcomes also judges them. A test compares both. An action without a limit never matches any of them.
 */

/** Number of positions that have an outcome, as an expression. */
export const PROCESSED: Document = { $add: ['$counts.success', '$counts.failure', '$counts.skipped'] };

/** Hundredths of a percent in the whole. */
const WHOLE = 10_000;

const REACHED = { $eq: ['$failureLimit.state', 'reached'] };
const NOT_STOPPING = { $eq: [{ $ifNull: ['$cancelRequestedAt', null] }, null] };

/** Whether the limit has made the action fail: `hasFailed`. */
export const FAILING: Document = { $and: [REACHED, { $eq: ['$failureLimit.then', 'fail'] }] };

/** Whether the limit pauses the action. */
export const HALTED: Document = { $and: [REACHED, { $eq: ['$failureLimit.then', 'pause'] }, NOT_STOPPING] };

const EXCEEDED = {
  $switch: {
    branches: [
      {
        case: { $eq: ['$failureLimit.unit', 'failures'] },
        then: { $gt: ['$counts.failure', '$failureLimit.max'] },
      },
      {
        case: { $eq: ['$failureLimit.unit', 'basisPoints'] },
        then: {
          $and: [
            { $gte: [PROCESSED, { $min: [MIN_SHARE_OUTCOMES, '$total'] }] },
            {
              $gt: [
                { $multiply: ['$counts.failure', WHOLE] },
                { $multiply: ['$failureLimit.max', PROCESSED] },
              ],
            },
          ],
        },
      },
    ],
    default: false,
  },
};

const KEPT_LIMIT = { $ifNull: ['$failureLimit', '$$REMOVE'] };

/**
 * Returns the stage of an update that judges the failures that the stage before it has counted. A limit that makes its
 * action fail gives up the rest, if there is one, as a cancellation does.
 */
export function withJudgedLimit(now: Date): Document {
  const open = { $eq: [{ $ifNull: ['$failureLimit.state', null] }, null] };
  const judged = [{ $not: [{ $in: ['$status', FINAL_STATUSES] }] }, open, NOT_STOPPING];
  const reached = { $and: [...judged, EXCEEDED] };
  const fails = { $eq: ['$failureLimit.then', 'fail'] };
  const hasRest = { $lt: [PROCESSED, '$total'] };
  return {
    $set: {
      failureLimit: {
        $cond: [reached, { $mergeObjects: ['$failureLimit', { state: 'reached' }] }, KEPT_LIMIT],
      },
      cancelRequestedAt: {
        $cond: [{ $and: [reached, fails, hasRest] }, now, { $ifNull: ['$cancelRequestedAt', null] }],
      },
    },
  };
}

/** The limit after a person has resumed the action: one that was reached never applies again. */
export const LIFTED_LIMIT: Document = {
  $cond: [REACHED, { $mergeObjects: ['$failureLimit', { state: 'lifted' }] }, KEPT_LIMIT],
};

/** Stage of an update that derives `dispatch.dueAt` if a limit that was reached may have moved the status. */
export const WITH_DUE_AT_IF_LIMITED: Document = {
  $set: { 'dispatch.dueAt': { $cond: [REACHED, DUE_AT, { $ifNull: ['$dispatch.dueAt', '$$REMOVE'] }] } },
};
