import {
  statusSummarySchema,
  type ActionSortField,
  type ListActionsQuery,
  type StatusSummary,
} from '@bulk/contracts';
import { ACTION_STATUSES, type ActionStatus } from '@bulk/domain';
import { stored, type ActionDocument, type Database } from '@bulk/mongo';
import type { Filter, Sort } from 'mongodb';

/** What a view of an action needs, and its control. The bookkeeping of counts and dispatch stays in the database. */
const PROJECTION = { applied: 0, dispatch: 0, idempotency: 0 } as const;
export type AccountAction = Omit<ActionDocument, keyof typeof PROJECTION>;

/** An action while it is an upload only is no action for anyone. */
const ACCEPTED = { status: { $ne: 'staging' } } as const;

/** Field of the API → field of the document. Ids are UUIDs of version 7: their order is that of creation. */
const SORT_KEYS: Readonly<Record<ActionSortField, string>> = {
  created: '_id',
  finished: 'finishedAt',
  scheduledFor: 'scheduledFor',
  total: 'total',
};

/** One page of an account's actions. */
export interface ActionPage {
  readonly actions: readonly AccountAction[];
  /** Actions that match, on all pages. */
  readonly total: number;
}

/** Reads of accepted actions, each within its account (G9). */
export class ActionStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** @returns null where the account has no such action. @throws StoreError. */
  find(accountId: string, actionId: string): Promise<AccountAction | null> {
    return stored(
      this.#database.actions.findOne({ _id: actionId, accountId, ...ACCEPTED }, { projection: PROJECTION }),
    );
  }

  /** @throws StoreError. */
  async list(accountId: string, query: ListActionsQuery): Promise<ActionPage> {
    const { status, actionType, entityType, priority, limit, skip, sort } = query;
    const filter: Filter<ActionDocument> = {
      accountId,
      ...(status === undefined ? ACCEPTED : { status }),
      ...(actionType === undefined ? {} : { actionType }),
      ...(entityType === undefined ? {} : { entityType }),
      ...(priority === undefined ? {} : { lane: priority }),
    };
    const [actions, total] = await Promise.all([
      stored(
        this.#database.actions
          .find(filter, { projection: PROJECTION, sort: sortOf(sort), skip, limit })
          .toArray(),
      ),
      stored(this.#database.actions.countDocuments(filter)),
    ]);
    return { actions, total };
  }

  /** How many actions the account has in each status. @throws StoreError. */
  async summary(accountId: string): Promise<StatusSummary> {
    const found = await stored(
      this.#database.actions
        .aggregate<{ _id: ActionStatus; actions: number }>([
          { $match: { accountId, status: { $in: [...ACTION_STATUSES] } } },
          { $group: { _id: '$status', actions: { $sum: 1 } } },
        ])
        .toArray(),
    );
    const counts = new Map(found.map(({ _id, actions }) => [_id, actions]));
    return statusSummarySchema.parse(
      Object.fromEntries(ACTION_STATUSES.map((status) => [status, counts.get(status) ?? 0])),
    );
  }
}

function sortOf(sort: ListActionsQuery['sort']): Sort {
  const direction = sort.startsWith('-') ? -1 : 1;
  const key = SORT_KEYS[sort.replace('-', '') as ActionSortField];
  // The id decides between equals, so that pages neither repeat nor omit an action.
  return key === '_id' ? { _id: direction } : { [key]: direction, _id: direction };
}
