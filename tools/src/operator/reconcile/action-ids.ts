import { ACTION_STATUSES, isFinal } from '@bulk/domain';
import type { Database } from '@bulk/mongo';

const PAGE = 200;

/**
 * Yields the ids of all accepted actions, oldest first, a page at a time.
 *
 * @param running includes those that have not ended.
 */
export async function* actionIds(database: Database, running: boolean): AsyncGenerator<string> {
  const statuses = ACTION_STATUSES.filter((status) => running || isFinal(status));
  for (let last = ''; ;) {
    const page = await database.actions
      .find({ _id: { $gt: last } }, { projection: { status: 1 } })
      .sort({ _id: 1 })
      .limit(PAGE)
      .toArray();
    for (const { _id, status } of page) if (statuses.some((wanted) => wanted === status)) yield _id;
    const end = page.at(-1);
    if (end === undefined) return;
    last = end._id;
  }
}
