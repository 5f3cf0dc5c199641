import type { ProgressState } from '@bulk/contracts';
import type { Subscription } from './subscription.ts';

/** Which subscriptions of this process want which action. */
export class SubscriptionHub {
  readonly #byAction = new Map<string, Set<Subscription>>();

  add(subscription: Subscription): void {
    const { actionId } = subscription;
    const known = this.#byAction.get(actionId);
    if (known === undefined) this.#byAction.set(actionId, new Set([subscription]));
    else known.add(subscription);
  }

  remove(subscription: Subscription): void {
    const known = this.#byAction.get(subscription.actionId);
    if (known?.delete(subscription) === true && known.size === 0)
      this.#byAction.delete(subscription.actionId);
  }

  /** Offers a state to whoever subscribed to its action. */
  publish(state: ProgressState): void {
    for (const subscription of this.#byAction.get(state.actionId) ?? []) subscription.offer(state);
  }

  /** Actions of which somebody waits for a change still. */
  unsettledActionIds(): string[] {
    return [...this.#byAction]
      .filter(([, subscriptions]) => [...subscriptions].some(({ settled }) => !settled))
      .map(([actionId]) => actionId);
  }

  /** Subscriptions in all. */
  get size(): number {
    let size = 0;
    for (const subscriptions of this.#byAction.values()) size += subscriptions.size;
    return size;
  }
}
