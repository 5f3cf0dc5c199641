import { OUTCOME_CODES, processed, type Tally } from '@bulk/domain';
import type { Document } from 'mongodb';
import { finishedAt, startedAt, updatedAt } from './action-times.ts';
import type { ResultSource } from './documents.ts';

/** Outcomes that are added to the counts of an action. */
export interface CountedOutcomes {
  /** Parts of it are negative where a replay replaced outcomes. */
  readonly tally: Tally;
  /** Batches that had no outcome before. */
  readonly batches: number;
  /** Where the last of their logs came from: the action's counts are complete up to it (`applied`). */
  readonly upTo: ResultSource;
}

const PROCESSED = { $add: ['$counts.success', '$counts.failure', '$counts.skipped'] };

/** The condition of a filter that so many outcomes fit into what is left of the action. */
export function fits(tally: Tally): Document {
  return { $expr: { $lte: [{ $add: [PROCESSED, processed(tally)] }, '$total'] } };
}

/**
 * The update that adds outcomes to the counts of an action and moves its status: `processing` at the first outcome,
 * `completed` or `cancelled` when every position has one. A final status stays; `version` rises.
 *
 * A pipeline, since the status depends on the counts of the very same update.
 */
export function countOutcomes({ tally, batches, upTo }: CountedOutcomes, now: Date): Document[] {
  const added = (field: string, n: number): Document => ({ $add: [{ $ifNull: [`$${field}`, 0] }, n] });
  const codes = Object.entries(tally.codes).map(([code, n]): [string, Document] => {
    const sum = added(`codes.${code}`, n);
    // A replay may leave nothing of a code.
    return [`codes.${code}`, n > 0 ? sum : { $cond: [{ $eq: [sum, 0] }, '$$REMOVE', sum] }];
  });
  const isFinal = { $in: ['$status', ['completed', 'failed', 'cancelled']] };
  const complete = { $gte: [PROCESSED, '$total'] };
  const cancelled = { $gt: [{ $ifNull: [`$codes.${OUTCOME_CODES.ACTION_CANCELLED}`, 0] }, 0] };
  const begins = { $and: [{ $gt: [PROCESSED, 0] }, { $in: ['$status', ['pending', 'queued']] }] };
  return [
    {
      $set: {
        'counts.success': added('counts.success', tally.success),
        'counts.failure': added('counts.failure', tally.failure),
        'counts.skipped': added('counts.skipped', tally.skipped),
        ...Object.fromEntries(codes),
        countedBatches: added('countedBatches', batches),
        [`applied.${upTo.partition}`]: upTo.offset,
        version: { $add: ['$version', 1] },
        updatedAt: updatedAt(now),
      },
    },
    {
      // The rules of `statusAfter` in @bulk/domain, in the database's words; a test holds one against the other.
      $set: {
        startedAt: { $cond: [{ $gt: [PROCESSED, 0] }, startedAt(now), '$startedAt'] },
        finishedAt: { $cond: [{ $and: [complete, { $not: [isFinal] }] }, finishedAt(now), '$finishedAt'] },
        status: {
          $switch: {
            branches: [
              { case: isFinal, then: '$status' },
              { case: { $and: [complete, cancelled] }, then: 'cancelled' },
              { case: complete, then: 'completed' },
              { case: begins, then: 'processing' },
            ],
            default: '$status',
          },
        },
      },
    },
  ];
}
