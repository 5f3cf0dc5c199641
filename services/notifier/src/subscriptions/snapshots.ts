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

/** Actions per query, or per page of one, at most. */
const BATCH = 1_000;

/** The states of actions as MongoDB has them; an action that is not accepted yet is none. */
export class Snapshots {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /**
   * One action of an account, or undefined where the account has no such action.
   *
   * @param accountId undefined: of any account, for a client whose capability is the id.
   *
   * @throws StoreError when MongoDB does not answer.
   */
  async read(actionId: string, accountId: string | undefined): Promise<ProgressState | undefined> {
    const [state] = await this.#find({ _id: actionId, ...(accountId === undefined ? {} : { accountId }) });
    return state;
  }

  /**
   * Those of the actions that exist, of any account: only for those who check the account themselves.
   *
   * @throws StoreError when MongoDB does not answer.
   */
  async readAll(actionIds: readonly string[]): Promise<ProgressState[]> {
    const states: ProgressState[] = [];
    for (let from = 0; from < actionIds.length; from += BATCH) {
      states.push(...(await this.#find({ _id: { $in: actionIds.slice(from, from + BATCH) } })));
    }
    return states;
  }

  /**
   * The unfinished actions of an account, and where `since` is given those that finished at or after it.
   *
   * The unfinished come first: whoever ends in between is in both, never in none. The newest state counts.
   *
   * @param limit states given at most.
   * @throws StoreError when MongoDB does not answer.
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

  /** The unfinished actions of an account, so many at most, page by page. Throws as `readAccount`. */
  unfinished(accountId: string, limit: number): AsyncGenerator<ProgressState> {
    // Without an order, which would let MongoDB walk through all that the account ever did.
    return this.#walk({ accountId, status: { $in: UNFINISHED_STATUSES } }, {}, limit);
  }

  /** The actions of an account that finished at or after an instant, page by page. Throws as `readAccount`. */
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

  /** Page by page; closes what it opened wherever it is left. @param limit 0: none. */
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
