import { StoreError, type ActionDocument, type Database } from '@bulk/mongo';

/** Reads of accepted actions, each within its account (G9). */
export class ActionStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** @returns null where the account has no such action. @throws StoreError. */
  async find(accountId: string, actionId: string): Promise<ActionDocument | null> {
    try {
      return await this.#database.actions.findOne({ _id: actionId, accountId, status: { $ne: 'staging' } });
    } catch (error) {
      throw new StoreError(error);
    }
  }
}
