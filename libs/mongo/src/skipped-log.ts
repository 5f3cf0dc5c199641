import { resultIdOf } from '@bulk/contracts';
import type { Outcome } from '@bulk/domain';
import type { ActionLogDocument, StagedBatchDocument } from './documents.ts';

/**
 * Stands for the partition of the results topic in the log of a batch that was skipped without a message. No topic has
 * it.
 */
export const SKIPPED_IN_DISPATCH = -1;

/** The part of a staged batch that its log needs. */
export type SkippableBatch = Pick<StagedBatchDocument, 'batchNo' | 'partition'> & {
  readonly entities: readonly {
    readonly position: number;
    readonly id: string;
    readonly ref: string | null;
  }[];
};

/** Returns the log of a batch that was never published: every position has the same outcome, a skip. */
export function skippedLogOf(
  actionId: string,
  { batchNo, partition, entities }: SkippableBatch,
  outcome: Outcome,
  at: Date,
): ActionLogDocument {
  return {
    _id: resultIdOf(actionId, batchNo),
    actionId,
    batchNo,
    partition,
    firstPosition: entities[0]?.position ?? 0,
    lastPosition: entities.at(-1)?.position ?? 0,
    counts: { success: 0, failure: 0, skipped: entities.length },
    outcomes: entities.map(({ position, id, ref }) => ({
      position,
      entityId: id,
      ref,
      ...outcome,
      attempts: 1,
    })),
    source: { partition: SKIPPED_IN_DISPATCH, offset: batchNo },
    at,
  };
}
