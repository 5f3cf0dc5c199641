import {
  MAX_COUNTED,
  statusSummarySchema,
  type ActionSortField,
  type ListActionsQuery,
  type StatusSummary,
} from '@bulk/contracts';
import { ACTION_STATUSES } from '@bulk/domain';
import { ACCEPTED, stored, type ActionDocument, type Database } from '@bulk/mongo';
import type { Filter, Sort } from 'mongodb';
import { z } from 'zod';
import { actionNotFound } from './refusals.ts';

/**
 * Leaves out the bookkeeping of counts and dispatch, which neither a view of an action nor its
 * control needs.
 */
const PROJECTION = { applied: 0, dispatch: 0, idempotency: 0, input: 0 } as const;
export type AccountAction = Omit<ActionDocument, keyof typeof PROJECTION>;

/**
 * Field of the API → field of the document. Ids are UUIDs of version 7: their order is that of
 * creation.
 */
const SORT_KEYS: Readonly<Record<ActionSortField, string>> = {
  createdAt: '_id',
  finishedAt: 'finishedAt',
  scheduledFor: 'scheduledFor',
  total: 'total',
};

/** One page of an account's actions. */
export interface ActionPage {
  readonly actions: readonly AccountAction[];
  /** Number of matching actions on all pages. */
  readonly total: number;
  /** Whether `total` is a lower bound: a list stops counting a status at MAX_COUNTED. */
  readonly atLeast: boolean;
}

/** Reads accepted actions, each within its account (G9). */
export class ActionStore {
  readonly #database: Database;
  readonly #maxCounted: number;

  /** @param maxCounted maximum number of actions of a status that a list counts. */
  constructor(database: Database, maxCounted = MAX_COUNTED) {
    this.#database = database;
    this.#maxCounted = maxCounted;
  }

  /** Reads an action of the account. @throws RestError `ACTION_NOT_FOUND`; StoreError. */
  async get(accountId: string, actionId: string): Promise<AccountAction> {
    const action = await this.find(accountId, actionId);
    if (action === null) throw actionNotFound(actionId);
    return action;
  }

  /** @returns `null` if the account has no such action. @throws StoreError. */
  find(accountId: string, actionId: string): Promise<AccountAction | null> {
    return stored(
      this.#database.actions.findOne({ _id: actionId, accountId, ...ACCEPTED }, { projection: PROJECTION }),
    );
  }

  /**
   * Reads a page of the account's actions.
   *
   * The cost grows with `skip`, by one index key per skipped action, and not with the number of
   * actions.
   *
   * @throws StoreError.
   */
  async list(accountId: string, query: ListActionsQuery): Promise<ActionPage> {
    const { status, actionType, entityType, priority, limit, skip, sort } = query;
    const statuses = status === undefined ? ACTION_STATUSES : [status];
    const narrowed: Filter<ActionDocument> = {
      accountId,
      ...(actionType === undefined ? {} : { actionType }),
      ...(entityType === undefined ? {} : { entityType }),
      ...(priority === undefined ? {} : { lane: priority }),
    };
    const filter = { ...narrowed, status: status ?? { $in: [...statuses] } };
    const [actions, counts] = await Promise.all([
      stored(
        this.#database.actions
          .find(filter, { projection: PROJECTION, sort: sortOf(sort), skip, limit })
          .toArray(),
      ),
      Promise.all(statuses.map((each) => this.#count({ ...narrowed, status: each }, this.#maxCounted))),
    ]);
    const counted = counts.reduce((sum, n) => sum + n, 0);
    return {
      actions,
      total: actions.length === 0 ? counted : Math.max(counted, skip + actions.length),
      atLeast: counts.includes(this.#maxCounted),
    };
  }

  /**
   * Counts the account's actions in each status, exactly and from an index alone.
   *
   * @throws StoreError.
   */
  async summary(accountId: string): Promise<StatusSummary> {
    const counts = await Promise.all(
      ACTION_STATUSES.map(async (status) => [status, await this.#count({ accountId, status })] as const),
    );
    return statusSummarySchema.parse(Object.fromEntries(counts));
  }

  /** Counts by the command that reads no document if an index holds all of the filter. */
  async #count(query: Filter<ActionDocument>, limit?: number): Promise<number> {
    const { db, actions } = this.#database;
    const answer = await stored(
      db.command({ count: actions.collectionName, query, ...(limit === undefined ? {} : { limit }) }),
    );
    return z.object({ n: z.int().nonnegative() }).parse(answer).n;
  }
}

function sortOf(sort: ListActionsQuery['sort']): Sort {
  const direction = sort.startsWith('-') ? -1 : 1;
  const key = SORT_KEYS[sort.replace('-', '') as ActionSortField];
  // The id decides between equal values, so that pages neither repeat nor omit an action.
  return key === '_id' ? { _id: direction } : { [key]: direction, _id: direction };
}
