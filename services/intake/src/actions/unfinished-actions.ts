import { stored, type Database } from '@bulk/mongo';
import { z } from 'zod';

/** Unfinished actions of one status, of all accounts. */
export interface UnfinishedActions {
  readonly status: string;
  readonly count: number;
  /** When the one that has not moved for longest has moved last. */
  readonly oldestUpdate: Date;
}

const rowSchema = z.array(z.object({ _id: z.string(), count: z.int(), oldestUpdate: z.date() }));

/**
 * How many actions are under way, and which of them stand still: those that are waiting for their turn, published, or in
 * processing. What waits on purpose (paused, scheduled) is not among them.
 *
 * @throws StoreError.
 */
export async function findUnfinishedActions(database: Database, now: Date): Promise<UnfinishedActions[]> {
  const rows = await stored(
    database.actions
      .aggregate([
        {
          $match: {
            // In the words of the janitor's index, which begins with what is not purged and not finished.
            'dispatch.purged': null,
            finishedAt: null,
            status: { $in: ['pending', 'queued', 'processing'] },
            $or: [{ scheduledFor: null }, { scheduledFor: { $lte: now } }],
          },
        },
        { $group: { _id: '$status', count: { $sum: 1 }, oldestUpdate: { $min: '$updatedAt' } } },
      ])
      .toArray(),
  );
  return rowSchema.parse(rows).map(({ _id, ...rest }) => ({ status: _id, ...rest }));
}
