import type { ProgressState } from '@bulk/contracts';
import { progressStateOf, StoreError, type Database, type ProgressDocument } from '@bulk/mongo';

/** Actions per query at most. */
const BATCH = 1_000;

const PROJECTION = {
  accountId: 1,
  actionType: 1,
  entityType: 1,
  version: 1,
  status: 1,
  total: 1,
  counts: 1,
  startedAt: 1,
  finishedAt: 1,
} as const satisfies Record<Exclude<keyof ProgressDocument, '_id'>, 1>;

interface Wanted {
  readonly _id: string | { readonly $in: string[] };
  readonly accountId?: string;
}

/** The states of actions as MongoDB has them; an action that is not accepted yet is none. */
export class Snapshots {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /**
   * One action of an account, or undefined where the account has no such action.
   *
   * @throws StoreError when MongoDB does not answer.
   */
  async read(actionId: string, accountId: string): Promise<ProgressState | undefined> {
    const [state] = await this.#find({ _id: actionId, accountId });
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

  /** @throws StoreError when MongoDB does not answer. */
  async ping(): Promise<void> {
    try {
      await this.#database.db.command({ ping: 1 });
    } catch (cause) {
      throw new StoreError(cause);
    }
  }

  async #find(wanted: Wanted): Promise<ProgressState[]> {
    try {
      const found = await this.#database.actions
        .find({ ...wanted, status: { $ne: 'staging' } })
        .project<ProgressDocument>(PROJECTION)
        .toArray();
      return found.map(progressStateOf);
    } catch (cause) {
      throw new StoreError(cause);
    }
  }
}
