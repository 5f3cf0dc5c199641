import type { ProgressState } from '@bulk/contracts';
import type { AccountSubscription } from './account-subscription.ts';
import type { Subscription } from './subscription.ts';

/**
 * Finds the subscriptions of this process that follow an action, by itself or through its account.
 */
export class SubscriptionHub {
  readonly #byAction = new Map<string, Set<Subscription>>();
  readonly #byAccount = new Map<string, Set<AccountSubscription>>();

  add(subscription: Subscription): void {
    addTo(this.#byAction, subscription.actionId, subscription);
  }

  remove(subscription: Subscription): void {
    removeFrom(this.#byAction, subscription.actionId, subscription);
  }

  addAccount(subscription: AccountSubscription): void {
    addTo(this.#byAccount, subscription.accountId, subscription);
  }

  removeAccount(subscription: AccountSubscription): void {
    removeFrom(this.#byAccount, subscription.accountId, subscription);
  }

  /** Offers the state of an event to every subscription that follows the action. */
  publish(state: ProgressState): void {
    for (const subscription of this.#byAction.get(state.actionId) ?? []) subscription.offer(state);
    for (const account of this.#byAccount.get(state.accountId) ?? []) account.offer(state);
  }

  /** Offers a state that has just been read from MongoDB. */
  confirm(state: ProgressState): void {
    for (const subscription of this.#byAction.get(state.actionId) ?? []) subscription.offer(state);
    for (const account of this.#byAccount.get(state.accountId) ?? []) account.confirm(state);
  }

  /** Returns the singly subscribed actions for which a subscription still waits for a change. */
  unsettledActionIds(): string[] {
    return [...this.#byAction]
      .filter(([, subscriptions]) => [...subscriptions].some(({ ended }) => !ended))
      .map(([actionId]) => actionId);
  }

  /** Returns the accounts with subscriptions. */
  accountIds(): string[] {
    return [...this.#byAccount.keys()];
  }

  /** Returns the subscriptions to an account. */
  accountSubscriptions(accountId: string): AccountSubscription[] {
    return [...(this.#byAccount.get(accountId) ?? [])];
  }

  /** Number of all subscriptions. */
  get size(): number {
    const { action, account } = this.sizes;
    return action + account;
  }

  /** Numbers of subscriptions to single actions and to accounts. */
  get sizes(): { action: number; account: number } {
    return { action: sizeOf(this.#byAction), account: sizeOf(this.#byAccount) };
  }
}

function addTo<T>(sets: Map<string, Set<T>>, key: string, value: T): void {
  const known = sets.get(key);
  if (known === undefined) sets.set(key, new Set([value]));
  else known.add(value);
}

function removeFrom<T>(sets: Map<string, Set<T>>, key: string, value: T): void {
  const known = sets.get(key);
  if (known?.delete(value) === true && known.size === 0) sets.delete(key);
}

function sizeOf<T>(sets: Map<string, Set<T>>): number {
  let size = 0;
  for (const set of sets.values()) size += set.size;
  return size;
}
