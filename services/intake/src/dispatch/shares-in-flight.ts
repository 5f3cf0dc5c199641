import type { Lane } from '@bulk/domain';
import { BATCHES_IN_FLIGHT } from '@bulk/mongo';
import type { Document } from 'mongodb';

/** How much of an account's batches is in flight in a lane. */
export interface ShareInFlight {
  readonly lane: Lane;
  readonly accountId: string;
  /** Published and neither counted nor postponed. */
  readonly batches: number;
  /** Those among them whose action has not moved for long. */
  readonly stale: number;
}

/** Reads the shares in flight; no other actions than those that have something in flight. */
export function sharesInFlight(staleBefore: Date): Document[] {
  const isStale = { $lt: ['$updatedAt', staleBefore] };
  return [
    { $match: { 'dispatch.inFlight': true } },
    { $project: { lane: 1, accountId: 1, updatedAt: 1, batches: BATCHES_IN_FLIGHT } },
    {
      $group: {
        _id: { lane: '$lane', accountId: '$accountId' },
        batches: { $sum: '$batches' },
        stale: { $sum: { $cond: [isStale, '$batches', 0] } },
      },
    },
    { $match: { batches: { $gt: 0 } } },
    { $project: { _id: 0, lane: '$_id.lane', accountId: '$_id.accountId', batches: 1, stale: 1 } },
  ];
}
