import { OUTCOME_CODES, processed } from '@bulk/domain';
import { StoreError, withBatchesCounted, type ActionDocument, type Database } from '@bulk/mongo';
import type { Document } from 'mongodb';
import type { Delta } from './counting.ts';

/** An action, as far as its counts are concerned. */
export type CountedAction = Omit<ActionDocument, 'dispatch' | 'config'>;

const PROJECTION = { dispatch: 0, config: 0 } as const;
const PROCESSED = { $add: ['$counts.success', '$counts.failure', '$counts.skipped'] };

/** The counts and the status of actions, in MongoDB. */
export class ActionCounts {
  readonly #database: Database;
  readonly #now: () => Date;

  constructor(database: Database, now: () => Date) {
    this.#database = database;
    this.#now = now;
  }

  /** The accepted actions among `ids`. @throws StoreError. */
  async find(ids: readonly string[]): Promise<Map<string, CountedAction>> {
    try {
      const found = await this.#database.actions
        .find({ _id: { $in: [...ids] }, status: { $ne: 'staging' } }, { projection: PROJECTION })
        .toArray();
      return new Map(found.map((action) => [action._id, action]));
    } catch (error) {
      throw new StoreError(error);
    }
  }

  /**
   * Adds a delta in one atomic update that also moves the status: `processing` at the first outcome, `completed` when
   * every position has one. Fenced on the offsets that the delta was computed from, and on the positions that are left.
   * A final status stays, also when a replay changes the counts; the version rises all the same. In the same update the
   * batches stop being postponed, so that neither a crash nor a redelivery leaves one behind.
   *
   * @param partition of the results topic.
   * @param appliedBefore what the action had applied of that partition when the delta was computed.
   * @returns the action afterwards, or undefined when someone else has counted in the meantime, or the delta exceeds what is
   * left: read and compute again.
   * @throws StoreError.
   */
  async add(
    actionId: string,
    partition: number,
    appliedBefore: number | undefined,
    delta: Delta,
  ): Promise<CountedAction | undefined> {
    const field = `applied.${partition}`;
    const others = Object.entries(delta.otherPartitions ?? {});
    try {
      const after = await this.#database.actions.findOneAndUpdate(
        {
          _id: actionId,
          ...Object.fromEntries(others.map(([other, applied]) => [`applied.${other}`, fence(applied)])),
          [field]: fence(appliedBefore),
          $expr: { $lte: [{ $add: [PROCESSED, processed(delta.tally)] }, '$total'] },
        },
        addition(field, delta, this.#now()),
        { returnDocument: 'after', projection: PROJECTION },
      );
      return after ?? undefined;
    } catch (error) {
      throw new StoreError(error);
    }
  }
}

function fence(applied: number | undefined): unknown {
  return applied === undefined ? { $exists: false } : applied;
}

/** A pipeline, since the status depends on the counts of the very same update. */
function addition(
  appliedField: string,
  { tally, batches, settled = [], applied }: Delta,
  now: Date,
): Document[] {
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
        [appliedField]: applied,
        version: { $add: ['$version', 1] },
        updatedAt: now,
      },
    },
    {
      // The rules of `statusAfter` in @bulk/domain, in the database's words; a test holds one against the other.
      $set: {
        startedAt: { $cond: [{ $gt: [PROCESSED, 0] }, { $ifNull: ['$startedAt', now] }, '$startedAt'] },
        finishedAt: { $cond: [{ $and: [complete, { $not: [isFinal] }] }, now, '$finishedAt'] },
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
    ...withBatchesCounted(settled),
  ];
}
