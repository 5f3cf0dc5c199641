import { BEGUN_STATUSES, DISPATCHED_STATUSES } from '@bulk/domain';
import { stored, type ActionDocument, type Database } from '@bulk/mongo';
import type { Filter } from 'mongodb';
import { z } from 'zod';

/** The unfinished actions of one status, of all accounts. */
export interface UnfinishedActions {
  readonly status: string;
  readonly count: number;
  /** Time of the last progress of the most stalled action. */
  readonly oldestUpdate: Date;
}

const rowSchema = z.array(z.object({ _id: z.string(), count: z.int(), oldestUpdate: z.date() }));

/**
 * Counts the actions that are under way, and finds how long they have stood still.
 *
 * These are the actions that wait for their turn, are published or are processed. Actions that wait
 * on purpose (paused, scheduled) do not count.
 *
 * @throws StoreError.
 */
export async function findUnfinishedActions(database: Database, now: Date): Promise<UnfinishedActions[]> {
  const rows = await Promise.all(
    situationsUnderWay(now).map((situation) =>
      stored(
        database.actions
          .aggregate([
            { $match: situation },
            { $group: { _id: '$status', count: { $sum: 1 }, oldestUpdate: { $min: '$updatedAt' } } },
          ])
          .toArray(),
      ),
    ),
  );
  const found = new Map<string, UnfinishedActions>();
  for (const { _id: status, count, oldestUpdate } of rowSchema.parse(rows.flat())) {
    const other = found.get(status);
    found.set(status, {
      status,
      count: count + (other?.count ?? 0),
      oldestUpdate:
        other !== undefined && other.oldestUpdate < oldestUpdate ? other.oldestUpdate : oldestUpdate,
    });
  }
  return [...found.values()];
}

/**
 * Returns the filters of actions that are under way.
 *
 * Each filter is one range of the index `under_way`, so that actions scheduled for later cost
 * nothing.
 */
function situationsUnderWay(now: Date): Filter<ActionDocument>[] {
  return DISPATCHED_STATUSES.flatMap((status): Filter<ActionDocument>[] =>
    BEGUN_STATUSES.includes(status)
      ? [{ status }]
      : [
          { status, scheduledFor: null },
          { status, scheduledFor: { $lte: now } },
        ],
  );
}
