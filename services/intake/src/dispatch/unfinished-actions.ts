import { STARTED_STATUSES, DISPATCHED_STATUSES, instantAfter, LANES } from '@bulk/domain';
import { POSTPONED_BATCHES, stored, type ActionDocument, type Database } from '@bulk/mongo';
import type { Document, Filter } from 'mongodb';
import { z } from 'zod';

/** The unfinished actions of one status, of all accounts. */
export interface UnfinishedActions {
  readonly status: string;
  readonly count: number;
  /** The earliest time at which one of them was accepted, or at which its schedule let it start. */
  readonly oldestDue: Date;
  /** Time of the last progress of the most stalled action; null if all wait for retries. */
  readonly oldestUpdate: Date | null;
}

/** How batches may wait in retry topics. */
export interface RetryLimits {
  /** Number of batches in retry topics beyond which the dispatch of an action waits. */
  readonly maxPostponed: number;
  /** Longest time for which a batch may wait, in ms. */
  readonly maxAgeMs: number;
}

/** The unfinished actions of all accounts. */
export interface Unfinished {
  readonly byStatus: readonly UnfinishedActions[];
  /** The number of entities without an outcome in each lane. */
  readonly byLane: readonly { readonly lane: string; readonly entities: number }[];
}

const rowsSchema = z.array(
  z.object({
    _id: z.object({ status: z.string(), lane: z.string() }),
    count: z.int(),
    entities: z.int(),
    oldestDue: z.date(),
    oldestUpdate: z.date().nullable(),
  }),
);

/**
 * Counts the actions that are under way, and finds how long they have stood still.
 *
 * These are the actions that wait for their turn, are published or are processed. Actions that wait
 * on purpose (paused, scheduled) do not count. An action that waits only for batches in retry
 * topics counts, but does not stand still.
 *
 * @throws StoreError.
 */
export async function findUnfinishedActions(
  database: Database,
  limits: RetryLimits,
  now: Date,
): Promise<Unfinished> {
  const group = unfinishedGroup(limits, now);
  const found = await Promise.all(
    situationsUnderWay(now).map((situation) =>
      stored(database.actions.aggregate([{ $match: situation }, { $group: group }]).toArray()),
    ),
  );
  const rows = rowsSchema.parse(found.flat());
  const statuses = [...new Set(rows.map(({ _id }) => _id.status))];
  return {
    byStatus: statuses.map((status) => {
      const own = rows.filter(({ _id }) => _id.status === status);
      return {
        status,
        count: own.reduce((sum, { count }) => sum + count, 0),
        oldestDue: earliest(own.map(({ oldestDue }) => oldestDue)) ?? now,
        oldestUpdate: earliest(own.flatMap(({ oldestUpdate }) => oldestUpdate ?? [])),
      };
    }),
    byLane: LANES.map((lane) => ({
      lane,
      entities: rows.filter(({ _id }) => _id.lane === lane).reduce((sum, { entities }) => sum + entities, 0),
    })),
  };
}

function unfinishedGroup(
  { maxPostponed, maxAgeMs }: RetryLimits,
  now: Date,
): Document & { readonly _id: Document } {
  const waitsForRetries = {
    $and: [
      { $gt: [POSTPONED_BATCHES, 0] },
      // Beyond that, the batch is not waiting but lost.
      { $gt: ['$updatedAt', instantAfter(now, -maxAgeMs)] },
      { $ne: [{ $ifNull: ['$dispatch.inFlight', false] }, true] },
      { $or: ['$dispatch.done', { $gte: [POSTPONED_BATCHES, maxPostponed] }] },
    ],
  };
  return {
    _id: { status: '$status', lane: '$lane' },
    count: { $sum: 1 },
    entities: {
      $sum: { $subtract: ['$total', { $add: ['$counts.success', '$counts.failure', '$counts.skipped'] }] },
    },
    // `$max` and `$min` ignore null.
    oldestDue: { $min: { $max: ['$createdAt', '$scheduledFor'] } },
    oldestUpdate: {
      $min: { $cond: [waitsForRetries, null, { $max: ['$updatedAt', '$scheduledFor'] }] },
    },
  };
}

function earliest(instants: readonly Date[]): Date | null {
  return instants.reduce<Date | null>((a, b) => (a !== null && a <= b ? a : b), null);
}

/**
 * Returns the filters of actions that are under way.
 *
 * Each filter is one range of the index `under_way`, so that actions scheduled for later cost
 * nothing.
 */
function situationsUnderWay(now: Date): Filter<ActionDocument>[] {
  return DISPATCHED_STATUSES.flatMap((status): Filter<ActionDocument>[] =>
    STARTED_STATUSES.includes(status)
      ? [{ status }]
      : [
          { status, scheduledFor: null },
          { status, scheduledFor: { $lte: now } },
        ],
  );
}
