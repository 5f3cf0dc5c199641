import { FINAL_STATUSES, instantAfter } from '@bulk/domain';
import { PROGRESS_PROJECTION, stored, type Database } from '@bulk/mongo';
import type { ClaimedWebhook, Settlement } from './claimed-webhook.ts';

type UpdateOne = Parameters<Database['actions']['updateOne']>;
type ActionFilter = UpdateOne[0];
type ActionChange = UpdateOne[1];

const PROJECTION = { ...PROGRESS_PROJECTION, updatedAt: 1, callback: 1 } as const;

/** The webhooks of final actions, and who delivers them. All times are this process's. */
export class WebhookStore {
  readonly #database: Database;
  readonly #leaseMs: number;
  readonly #now: () => Date;

  /** @param leaseMs another instance repeats a try that has no outcome after this time. */
  constructor(database: Database, leaseMs: number, now: () => Date) {
    this.#database = database;
    this.#leaseMs = leaseMs;
    this.#now = now;
  }

  /**
   * Leases the webhook that is due for longest; counts as a try.
   *
   * @param owner a name that no other claim has ever had: it fences `settle`.
   * @param busyAccounts accounts that have enough under way.
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
   * Records what has become of a try.
   *
   * @returns false where the lease had run out and another instance has taken the webhook: nothing is recorded.
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

/** Which actions have a webhook to be delivered; in the words of its index. */
function dueFilter(now: Date, busyAccounts: readonly string[]): ActionFilter {
  return {
    status: { $in: FINAL_STATUSES },
    'callback.dueAt': { $lte: now },
    ...(busyAccounts.length === 0 ? {} : { accountId: { $nin: [...busyAccounts] } }),
  };
}
