import { DISPATCHED_STATUSES, FINAL_STATUSES } from '@bulk/domain';
import type { Document } from 'mongodb';
import type { Database } from '../database.ts';
import type { DispatchState } from '../documents.ts';
import { stored } from '../errors.ts';

/**
 * `dispatch.dueAt` of an action that any instance may take at once. All of them share one value, so that an index can
 * list them in order of lane and account, apart from actions that become due later.
 */
export const DUE_NOW = new Date(0);

/** The largest window that can be configured. Assumed for a holder of a lease that did not record its window. */
export const MAX_WINDOW_BATCHES = 1_000;

/**
 * Returns the number of the first batch that was certainly never published while no instance dispatches the action.
 *
 * Up to a window beyond `nextBatch` may have been published and not recorded, if a holder of a lease did not hand it back.
 */
export function publishedBelow({
  nextBatch,
  lease,
  window = MAX_WINDOW_BATCHES,
  mayBePublished = 0,
  skipFrom = Number.POSITIVE_INFINITY,
}: DispatchState): number {
  const last = lease === null ? nextBatch : nextBatch + window;
  return Math.min(Math.max(last, mayBePublished), skipFrom);
}

const POSTPONED = { $ifNull: ['$dispatch.postponed', []] };

/** Number of an action's batches that wait in a retry topic, as an expression of an aggregation. */
export const POSTPONED_BATCHES: Document = { $size: POSTPONED };

/** Number of an action's batches that are published, not counted and not postponed, as an expression of an aggregation. */
export const BATCHES_IN_FLIGHT: Document = {
  $max: [0, { $subtract: ['$dispatch.nextBatch', { $add: ['$countedBatches', POSTPONED_BATCHES] }] }],
};

const HAS_WORK = {
  $and: [{ $in: ['$status', DISPATCHED_STATUSES] }, { $eq: ['$dispatch.done', false] }],
};

/** When an instance may take an action, as an expression of an update: see `DispatchState.dueAt`. */
export const DUE_AT: Document = {
  $cond: [
    HAS_WORK,
    {
      $ifNull: [
        '$dispatch.lease.until',
        {
          $cond: [
            { $eq: [{ $ifNull: ['$cancelRequestedAt', null] }, null] },
            { $ifNull: ['$scheduledFor', DUE_NOW] },
            DUE_NOW,
          ],
        },
      ],
    },
    '$$REMOVE',
  ],
};

/**
 * Stage of an update that derives `dispatch.dueAt` from the fields that it depends on. Every update of status, lease,
 * schedule or `dispatch.done` ends with it.
 */
export const WITH_DUE_AT: Document = { $set: { 'dispatch.dueAt': DUE_AT } };

/** Stage of an update that derives `dispatch.inFlight`. Every update of the batches that it depends on ends with it. */
export const WITH_IN_FLIGHT: Document = {
  $set: { 'dispatch.inFlight': { $cond: [{ $gt: [BATCHES_IN_FLIGHT, 0] }, true, '$$REMOVE'] } },
};

/**
 * Returns the stages of an update that counts the results of these batches. The batches are no longer postponed. An
 * action that has ended leaves every index of the dispatch, whatever its dispatch has recorded.
 */
export function withBatchesCounted(batchNos: readonly number[]): Document[] {
  const ended = { $in: ['$status', FINAL_STATUSES] };
  const left = { $setDifference: [POSTPONED, [...batchNos]] };
  const kept = { $cond: [{ $or: [ended, { $eq: [{ $size: left }, 0] }] }, '$$REMOVE', left] };
  return [
    {
      $set: {
        'dispatch.postponed': kept,
        'dispatch.dueAt': { $cond: [ended, '$$REMOVE', { $ifNull: ['$dispatch.dueAt', '$$REMOVE'] }] },
      },
    },
    WITH_IN_FLIGHT,
  ];
}

/**
 * Records that a batch waits in a retry topic, so that it does not hold up the rest of its action. It may be repeated.
 * An action that has ended stays unchanged.
 *
 * @throws StoreError.
 */
export async function markPostponed(database: Database, actionId: string, batchNo: number): Promise<void> {
  const marked = { $set: { 'dispatch.postponed': { $setUnion: [POSTPONED, [batchNo]] } } };
  await stored(
    database.actions.updateOne({ _id: actionId, status: { $nin: FINAL_STATUSES } }, [marked, WITH_IN_FLIGHT]),
  );
}
