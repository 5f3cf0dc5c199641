import { DISPATCHED_STATUSES } from '@bulk/domain';
import {
  DUE_NOW,
  stored,
  WITH_DUE_AT,
  WITH_IN_FLIGHT,
  type ActionDocument,
  type Database,
} from '@bulk/mongo';

/** An action that is due. */
export interface DueAction extends Pick<ActionDocument, '_id' | 'lane' | 'accountId'> {
  readonly dispatch: { readonly dueAt: Date };
}

/** What is due. */
export interface Due {
  readonly actions: readonly DueAction[];
  /** Whether there are no more than these. */
  readonly complete: boolean;
}

/** What of a due action is read: fields of the index, which need no document. */
const DUE_FIELDS = { lane: 1, accountId: 1, 'dispatch.dueAt': 1 } as const;

/** Actions that are read together, and the number of reads in one look while all of them have just become due. */
const PAGE = 200;
const MAX_PAGES = 5;

/**
 * Finds what is due, by the index alone. What has become due since the last look (its schedule, the end of a lease) is
 * made due at once (`DUE_NOW`), since a claim takes from nothing else.
 *
 * @throws StoreError.
 */
export async function findDueActions(database: Database, now: Date): Promise<Due> {
  let actions: DueAction[] = [];
  for (let pages = 0; pages < MAX_PAGES; pages += 1) {
    actions = await stored(
      database.actions
        .find<DueAction>(
          { 'dispatch.dueAt': { $lte: now } },
          // What has just become due comes before what is due at once.
          { sort: { 'dispatch.dueAt': -1 }, limit: PAGE, projection: DUE_FIELDS },
        )
        .toArray(),
    );
    const newlyDue = actions.filter(({ dispatch }) => dispatch.dueAt > DUE_NOW).map(({ _id }) => _id);
    if (newlyDue.length > 0) {
      await stored(
        database.actions.updateMany(
          // A lease that was renewed in the meantime stays.
          { _id: { $in: newlyDue }, 'dispatch.dueAt': { $lte: now } },
          { $set: { 'dispatch.dueAt': DUE_NOW } },
        ),
      );
    }
    if (newlyDue.length < PAGE) break;
  }
  return { actions, complete: actions.length < PAGE };
}

/**
 * Gives `dispatch.dueAt` to actions that have none although there is something to publish: those that a version before the
 * field has accepted.
 *
 * @returns the number of actions. @throws StoreError.
 */
export async function adoptActions(database: Database): Promise<number> {
  const { modifiedCount } = await stored(
    database.actions.updateMany(
      {
        // In the words of the janitor's index, which begins with what is not purged and not finished.
        'dispatch.purged': null,
        finishedAt: null,
        status: { $in: DISPATCHED_STATUSES },
        'dispatch.done': false,
        'dispatch.dueAt': { $exists: false },
      },
      [WITH_DUE_AT, WITH_IN_FLIGHT],
    ),
  );
  return modifiedCount;
}
