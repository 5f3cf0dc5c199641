import type { ProgressState } from '@bulk/contracts';
import { UNFINISHED_STATUSES } from '@bulk/domain';
import {
  ACCEPTED,
  PROGRESS_PROJECTION,
  progressStateOf,
  stored,
  type ActionDocument,
  type Database,
  type ProgressDocument,
} from '@bulk/mongo';
import type { Filter, Sort } from 'mongodb';

/** Maximum number of actions per query, or per page of one. */
const BATCH = 1_000;

/** Reads the states of actions from MongoDB. Actions that are not accepted yet are left out. */
export class Snapshots {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /**
   * Reads one action of an account.
   *
   * @returns `undefined` if the account has no such action.
   *
   * @param accountId `undefined` for any account, for a client whose capability is the id.
   * @throws StoreError if MongoDB does not answer.
   */
  async read(actionId: string, accountId: string | undefined): Promise<ProgressState | undefined> {
    const [state] = await this.#find({ _id: actionId, ...(accountId === undefined ? {} : { accountId }) });
    return state;
  }

  /**
   * Reads those of the actions that exist, of any account. The caller must check the account.
   *
   * @throws StoreError if MongoDB does not answer.
   */
  async readAll(actionIds: readonly string[]): Promise<ProgressState[]> {
    const states: ProgressState[] = [];
    for (let from = 0; from < actionIds.length; from += BATCH) {
      states.push(...(await this.#find({ _id: { $in: actionIds.slice(from, from + BATCH) } })));
    }
    return states;
  }

  /**
   * Reads the unfinished actions of an account and, if `since` is given, those that finished at or
   * after it.
   *
   * The unfinished actions come first. An action that ends in between is in both parts, never in
   * neither, and its newest state counts.
   *
   * @param limit maximum number of states.
   * @throws StoreError if MongoDB does not answer.
   */
  async readAccount(accountId: string, since: Date | undefined, limit: number): Promise<ProgressState[]> {
    const states = new Map<string, ProgressState>();
    for await (const state of this.unfinished(accountId, limit)) states.set(state.actionId, state);
    if (since === undefined) return [...states.values()];
    for await (const state of this.finishedSince(accountId, since)) {
      states.set(state.actionId, state);
      if (states.size >= limit) break;
    }
    return [...states.values()];
  }

  /**
   * Reads at most `limit` unfinished actions of an account, page by page. Throws as `readAccount`.
   */
  unfinished(accountId: string, limit: number): AsyncGenerator<ProgressState> {
    // No order: with one, MongoDB could walk through every action of the account.
    return this.#walk({ accountId, status: { $in: UNFINISHED_STATUSES } }, {}, limit);
  }

  /**
   * Reads the actions of an account that finished at or after an instant, page by page. Throws as
   * `readAccount`.
   */
  finishedSince(accountId: string, since: Date): AsyncGenerator<ProgressState> {
    return this.#walk({ accountId, finishedAt: { $gte: since } }, { finishedAt: 1, _id: 1 });
  }

  #find(wanted: Filter<ActionDocument>): Promise<ProgressState[]> {
    return stored(
      this.#database.actions
        .find({ ...wanted, ...ACCEPTED })
        .project<ProgressDocument>(PROGRESS_PROJECTION)
        .map(progressStateOf)
        .toArray(),
    );
  }

  /**
   * Reads page by page, and closes the cursor wherever the caller stops.
   *
   * @param limit 0: no limit.
   */
  async *#walk(wanted: Filter<ActionDocument>, order: Sort, limit = 0): AsyncGenerator<ProgressState> {
    const cursor = this.#database.actions
      .find(wanted)
      .project<ProgressDocument>(PROGRESS_PROJECTION)
      .sort(order)
      .limit(limit)
      .batchSize(BATCH);
    try {
      for (;;) {
        const found = await stored(cursor.next());
        if (found === null) return;
        yield progressStateOf(found);
      }
    } finally {
      await cursor.close().catch(() => undefined);
    }
  }
}
