import type { Lease } from '@bulk/domain';
import { WITH_DUE_AT } from '@bulk/mongo';
import type { Document } from 'mongodb';

/** The largest window that can be configured: that of a holder which did not record its own. */
export const MAX_WINDOW_BATCHES = 1_000;

/**
 * The update of a claim: the lease, and up to where batches may be in Kafka beyond what is recorded.
 *
 * A lease that was handed back is null: its holder had recorded all that it published. One that is still there has run out,
 * so its holder has died, stalls or has failed: up to a window beyond `nextBatch` may be in Kafka, or may still arrive there.
 * That bound stays until it is passed: a later holder that is handed back says nothing of an earlier one.
 *
 * @param windowBatches that the new holder publishes at once, at most.
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
