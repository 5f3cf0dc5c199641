import type { Lane } from '@bulk/domain';
import { BATCHES_IN_FLIGHT } from '@bulk/mongo';
import type { Document } from 'mongodb';
import { batchWeightOf } from './batch-weight.ts';

/** How much of an account is in flight in a lane, in full batches: see `batchWeight`. */
export interface ShareInFlight {
  readonly lane: Lane;
  readonly accountId: string;
  /** Batches that are published and neither counted nor postponed. */
  readonly batches: number;
  /** The part of it whose action has not moved for long. */
  readonly stale: number;
}

/**
 * Builds the pipeline that reads the shares in flight. It reads only actions that have batches in
 * flight.
 */
export function sharesInFlight(staleBefore: Date, batchSize: number): Document[] {
  const isStale = { $lt: ['$updatedAt', staleBefore] };
  return [
    { $match: { 'dispatch.inFlight': true } },
    {
      $project: {
        lane: 1,
        accountId: 1,
        updatedAt: 1,
        batches: { $multiply: [BATCHES_IN_FLIGHT, batchWeightOf(batchSize)] },
      },
    },
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
