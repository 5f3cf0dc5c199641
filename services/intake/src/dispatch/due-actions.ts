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

/** The due actions of one look. */
export interface Due {
  readonly actions: readonly DueAction[];
  /** Whether there are no other due actions. */
  readonly complete: boolean;
}

/** The fields of a due action that are read: those of the index, so that no document is read. */
const DUE_FIELDS = { lane: 1, accountId: 1, 'dispatch.dueAt': 1 } as const;

/**
 * Actions per read, and the maximum number of reads in one look while all of them have just become
 * due.
 */
const PAGE = 200;
const MAX_PAGES = 5;

/**
 * Finds due actions by the index alone.
 *
 * An action that has become due since the last look, by its schedule or by the end of a lease, is
 * set to `DUE_NOW`, because a claim takes only such actions.
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
          // Actions that have just become due come before those that are due at once.
          { sort: { 'dispatch.dueAt': -1 }, limit: PAGE, projection: DUE_FIELDS },
        )
        .toArray(),
    );
    const newlyDue = actions.filter(({ dispatch }) => dispatch.dueAt > DUE_NOW).map(({ _id }) => _id);
    if (newlyDue.length > 0) {
      await stored(
        database.actions.updateMany(
          // An action whose lease was renewed in the meantime stays as it is.
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
 * Sets `dispatch.dueAt` on actions that have something to publish and lack the field.
 *
 * A version before the field has accepted these actions.
 *
 * @returns the number of actions.
 * @throws StoreError.
 */
export async function adoptActions(database: Database): Promise<number> {
  const { modifiedCount } = await stored(
    database.actions.updateMany(
      {
        // The conditions match the janitor's index, which starts with what is not purged and not
        // finished.
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
