import { FINAL_STATUSES, instantAfter } from '@bulk/domain';
import { PROGRESS_PROJECTION, stored, type Database } from '@bulk/mongo';
import type { ClaimedWebhook, Settlement } from './claimed-webhook.ts';

type UpdateOne = Parameters<Database['actions']['updateOne']>;
type ActionFilter = UpdateOne[0];
type ActionChange = UpdateOne[1];

const PROJECTION = { ...PROGRESS_PROJECTION, updatedAt: 1, callback: 1 } as const;

/** Stores the webhooks of final actions and their owners. All times are those of this process. */
export class WebhookStore {
  readonly #database: Database;
  readonly #leaseMs: number;
  readonly #now: () => Date;

  /** @param leaseMs time after which another instance repeats a try without an outcome, in ms. */
  constructor(database: Database, leaseMs: number, now: () => Date) {
    this.#database = database;
    this.#leaseMs = leaseMs;
    this.#now = now;
  }

  /**
   * Leases the webhook that has been due for longest. The claim counts as a try.
   *
   * @param owner a name that no other claim has ever had. It fences `settle`.
   * @param busyAccounts accounts that have enough webhooks under way.
   * @throws StoreError.
   */
  async claim(owner: string, busyAccounts: readonly string[]): Promise<ClaimedWebhook | undefined> {
    const now = this.#now();
    const claimed = await stored(
      this.#database.actions.findOneAndUpdate(
        dueFilter(now, busyAccounts),
        {
          $set: {
            'callback.state': 'delivering',
            'callback.owner': owner,
            'callback.dueAt': instantAfter(now, this.#leaseMs),
            'callback.lastAttemptAt': now,
          },
          $inc: { 'callback.attempts': 1 },
        },
        { sort: { 'callback.dueAt': 1 }, returnDocument: 'after', projection: PROJECTION },
      ),
    );
    const callback = claimed?.callback;
    return claimed === null || callback === undefined ? undefined : { action: claimed, callback, owner };
  }

  /**
   * Records the result of a try.
   *
   * @returns `false` if the lease had expired and another instance has taken the webhook. Then
   * nothing is recorded.
   * @throws StoreError.
   */
  async settle({ action, owner }: ClaimedWebhook, settlement: Settlement): Promise<boolean> {
    const { matchedCount } = await stored(
      this.#database.actions.updateOne(
        { _id: action._id, 'callback.owner': owner },
        this.#update(settlement),
      ),
    );
    return matchedCount > 0;
  }

  #update(settlement: Settlement): ActionChange {
    switch (settlement.kind) {
      case 'delivered':
        return settled('delivered', null);
      case 'given-up':
        return settled('given-up', settlement.error);
      case 'retry': {
        const { at, error } = settlement;
        return { $set: { ...WAITING, 'callback.dueAt': at, 'callback.lastError': error } };
      }
      case 'handed-back':
        return {
          $set: { ...WAITING, 'callback.dueAt': this.#now() },
          $inc: { 'callback.attempts': -1 },
        };
    }
  }
}

const WAITING = { 'callback.state': 'waiting', 'callback.owner': null } as const;

function settled(state: 'delivered' | 'given-up', lastError: string | null): ActionChange {
  return {
    $set: { 'callback.state': state, 'callback.owner': null, 'callback.lastError': lastError },
    $unset: { 'callback.dueAt': '' },
  };
}

/** Matches the actions with a due webhook. The conditions are those of the index. */
function dueFilter(now: Date, busyAccounts: readonly string[]): ActionFilter {
  return {
    status: { $in: FINAL_STATUSES },
    'callback.dueAt': { $lte: now },
    ...(busyAccounts.length === 0 ? {} : { accountId: { $nin: [...busyAccounts] } }),
  };
}
