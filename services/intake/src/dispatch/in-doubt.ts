import type { Lease } from '@bulk/domain';
import { MAX_WINDOW_BATCHES, WITH_DUE_AT } from '@bulk/mongo';
import type { Document } from 'mongodb';

/**
 * Builds the update of a claim: the lease, and the bound below which Kafka may hold unrecorded
 * batches.
 *
 * A lease that was handed back is `null`: its holder had recorded all that it published. A lease
 * that is still there has expired, so its holder has died, stalls or has failed. Up to a window
 * beyond `nextBatch` may then be in Kafka, or may still arrive there. The bound stays until the
 * dispatch has passed it: a later lease that is handed back says nothing about an earlier holder.
 *
 * @param windowBatches maximum number of batches that the new holder publishes at once.
 */
export function claimed(lease: Lease, windowBatches: number): Document[] {
  const bound = { $ifNull: ['$dispatch.mayBePublished', 0] };
  const window = { $max: [windowBatches, { $ifNull: ['$dispatch.window', MAX_WINDOW_BATCHES] }] };
  return [
    {
      $set: {
        'dispatch.lease': { $literal: lease },
        'dispatch.window': windowBatches,
        'dispatch.mayBePublished': {
          $cond: [
            { $eq: [{ $ifNull: ['$dispatch.lease', null] }, null] },
            bound,
            { $max: [bound, { $add: ['$dispatch.nextBatch', window] }] },
          ],
        },
      },
    },
    WITH_DUE_AT,
  ];
}
