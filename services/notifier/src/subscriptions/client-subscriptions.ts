import type { ProgressState } from '@bulk/contracts';
import { CodedError } from '@bulk/domain';
import { AccountSubscription } from './account-subscription.ts';
import { ActionNotFoundError, TooManyActionsError, TooManySubscriptionsError } from './errors.ts';
import { SnapshotSpacing } from './snapshot-spacing.ts';
import { Subscription, type UpdateSink } from './subscription.ts';
import type { SubscriptionOwner, SubscriptionSettings } from './subscription-settings.ts';

/** The subject of the account's snapshots. Other subjects are ids of actions. */
const ACCOUNT = 'account';

/**
 * Holds the subscriptions of one client: to single actions, to its account, or to both.
 *
 * There is one Subscription per action, shared by both kinds, so that each change is sent once.
 * Calls that wait for a snapshot must not overlap. A subscription that is requested again too soon
 * is acknowledged at once, and its snapshot follows when the interval has passed.
 */
export class ClientSubscriptions implements UpdateSink {
  readonly #settings: SubscriptionSettings;
  readonly #owner: SubscriptionOwner;
  readonly #spacing: SnapshotSpacing;
  readonly #singles = new Map<string, Subscription>();
  #account: AccountSubscription | undefined;
  /** Start of the last snapshot's read of the account, in ms since the epoch. */
  #accountReadAt = Infinity;
  /**
   * Instant from which the postponed snapshot of the account shows finished actions, in ms since
   * the epoch. `Infinity`: none.
   */
  #postponedSince = Infinity;
  #closed = false;

  constructor(settings: SubscriptionSettings, owner: SubscriptionOwner) {
    this.#settings = settings;
    this.#owner = owner;
    this.#spacing = new SnapshotSpacing(settings.snapshotIntervalMs, settings.scheduler);
  }

  /** Number of subscriptions to single actions and to accounts. */
  get size(): number {
    return this.#singles.size + (this.#account === undefined ? 0 : 1);
  }

  /** Part of UpdateSink. */
  get ready(): boolean {
    return this.#owner.ready;
  }

  /** Part of UpdateSink. */
  send(state: ProgressState): void {
    this.#owner.send(state);
    this.#account?.sent(state);
  }

  /**
   * Subscribes to one action.
   *
   * @param accountId `undefined` if the id of an action is enough to follow it.
   * @param acknowledge called before the first update.
   * @throws ActionNotFoundError, TooManySubscriptionsError, what SubscriptionBudget throws;
   * StoreError.
   */
  async subscribe(actionId: string, accountId: string | undefined, acknowledge: () => void): Promise<void> {
    const known = this.#singles.get(actionId);
    // The subscription is registered before the snapshot is read, so that no change is lost in
    // between.
    const subscription = known ?? this.#register(actionId, accountId);
    if (this.#spacing.delayOf(actionId) === 0) {
      await this.#show(subscription, accountId, acknowledge, known === undefined);
      return;
    }
    acknowledge();
    if (this.#closed) return;
    const askedAt = this.#settings.scheduler.now();
    this.#spacing.postpone(actionId, () =>
      this.#owner.later({ actionId }, async () => {
        // The client may have unsubscribed, or the snapshot may have been shown, while this call
        // waited for its turn.
        if (this.#singles.get(actionId) !== subscription) return;
        if (this.#spacing.wasShownAfter(actionId, askedAt)) return;
        await this.#show(subscription, accountId, () => undefined, false);
      }),
    );
  }

  unsubscribe(actionId: string): void {
    const subscription = this.#singles.get(actionId);
    if (subscription === undefined) return;
    this.#spacing.cancel(actionId);
    this.#singles.delete(actionId);
    this.#settings.hub.remove(subscription);
    this.#release(subscription);
  }

  /**
   * Subscribes to all actions of the account.
   *
   * @param since instant from which finished actions are shown. @default now
   * @param acknowledge called before the first update, with an instant before the snapshot was
   * read.
   * @throws TooManyActionsError; StoreError.
   */
  async subscribeAccount(
    accountId: string,
    since: Date | undefined,
    acknowledge: (at: Date) => void,
  ): Promise<void> {
    const known = this.#account;
    const subscription = known ?? this.#registerAccount(accountId);
    const from = since?.getTime() ?? Infinity;
    if (this.#spacing.delayOf(ACCOUNT) === 0) {
      await this.#showAccount(subscription, from, acknowledge, known === undefined);
      return;
    }
    // A new subscription shows what ends from now on, at the latest by its snapshot.
    const floor = known === undefined ? Math.min(from, this.#settings.now().getTime()) : from;
    this.#postponedSince = Math.min(this.#postponedSince, floor);
    // If the connection breaks before the snapshot, the client must request the same again.
    acknowledge(new Date(Math.min(this.#accountReadAt, from)));
    if (this.#closed) return;
    const askedAt = this.#settings.scheduler.now();
    this.#spacing.postpone(ACCOUNT, () =>
      this.#owner.later({ accountId }, async () => {
        if (this.#account !== subscription || this.#spacing.wasShownAfter(ACCOUNT, askedAt)) return;
        await this.#showAccount(subscription, Infinity, () => undefined, false);
      }),
    );
  }

  unsubscribeAccount(): void {
    const account = this.#account;
    if (account === undefined) return;
    this.#spacing.cancel(ACCOUNT);
    this.#postponedSince = Infinity;
    this.#account = undefined;
    this.#settings.hub.removeAccount(account);
    account.close();
  }

  /** Sends what waits, once the sink is ready again. */
  resume(): void {
    for (const subscription of this.#singles.values()) subscription.resume();
    this.#account?.resume();
  }

  /** Ends all subscriptions. Calls under way leave nothing behind. */
  close(): void {
    this.#closed = true;
    this.unsubscribeAccount();
    for (const actionId of [...this.#singles.keys()]) this.unsubscribe(actionId);
    this.#spacing.close();
  }

  async #show(
    subscription: Subscription,
    accountId: string | undefined,
    acknowledge: () => void,
    isNew: boolean,
  ): Promise<void> {
    const { actionId } = subscription;
    try {
      const state = await this.#settings.snapshots.read(actionId, accountId);
      if (state === undefined) throw new ActionNotFoundError(actionId, accountId);
      acknowledge();
      this.#spacing.shown(actionId);
      subscription.open(state);
    } catch (error) {
      if (isNew || subscription.held) this.unsubscribe(actionId);
      throw error;
    }
  }

  async #showAccount(
    subscription: AccountSubscription,
    from: number,
    acknowledge: (at: Date) => void,
    isNew: boolean,
  ): Promise<void> {
    const { snapshots, maxAccountActions, now } = this.#settings;
    const { accountId } = subscription;
    // The snapshot also shows what earlier requests asked for and have not received.
    const floor = Math.min(from, this.#postponedSince);
    const since = floor === Infinity ? undefined : new Date(floor);
    try {
      const at = now();
      const states = await snapshots.readAccount(accountId, since, maxAccountActions + 1);
      this.#spacing.shown(ACCOUNT);
      this.#accountReadAt = at.getTime();
      this.#postponedSince = Infinity;
      if (states.length > maxAccountActions) throw new TooManyActionsError(maxAccountActions, accountId);
      // The subscription may have outgrown its limit, which the client knows, or the client may
      // have left.
      if (this.#account !== subscription) return;
      acknowledge(at);
      subscription.open(states, at.getTime(), since?.getTime());
    } catch (error) {
      // A client that receives TooManyActionsError has no subscription, as when the limit is
      // exceeded later.
      if (isNew || subscription.held || error instanceof TooManyActionsError) this.unsubscribeAccount();
      throw error;
    }
  }

  #register(actionId: string, accountId: string | undefined): Subscription {
    const { maxSubscriptions, hub } = this.#settings;
    if (this.#singles.size >= maxSubscriptions) throw new TooManySubscriptionsError(maxSubscriptions);
    const subscription = this.#account?.tracked(actionId) ?? this.#create(actionId, accountId);
    // A request that waited when the client left must leave nothing in the hub.
    if (this.#closed) {
      subscription.close();
      return subscription;
    }
    this.#singles.set(actionId, subscription);
    hub.add(subscription);
    return subscription;
  }

  #registerAccount(accountId: string): AccountSubscription {
    const { hub, newcomers, finished, maxAccountActions } = this.#settings;
    const account = new AccountSubscription({
      accountId,
      maxActions: maxAccountActions,
      finished: finished.view(accountId),
      single: (actionId) => this.#singles.get(actionId),
      create: (actionId) => this.#createTracked(actionId, accountId),
      release: (subscription) => this.#release(subscription),
      lookUp: (actionId) => newcomers.lookUp(actionId),
      onOverflow: () => this.#endAccount(new TooManyActionsError(maxAccountActions, accountId)),
    });
    if (this.#closed) {
      account.close();
      return account;
    }
    this.#account = account;
    hub.addAccount(account);
    return account;
  }

  /** Creates a tracked subscription. Never throws, because the hub calls it for an event. */
  #createTracked(actionId: string, accountId: string): Subscription | undefined {
    try {
      return this.#create(actionId, accountId);
    } catch (error) {
      if (!(error instanceof CodedError)) throw error;
      this.#endAccount(error);
      return undefined;
    }
  }

  #endAccount(error: CodedError): void {
    this.unsubscribeAccount();
    this.#owner.accountEnded(error);
  }

  /** @throws what SubscriptionBudget throws. */
  #create(actionId: string, accountId: string | undefined): Subscription {
    const { intervalMs, scheduler, recorder, budget } = this.#settings;
    budget.take(accountId);
    return new Subscription({
      actionId,
      accountId,
      intervalMs,
      scheduler,
      sink: this,
      onDropped: (reason) => recorder.dropped(reason),
      onClosed: () => budget.giveBack(accountId),
    });
  }

  /** Closes a subscription that neither the client nor its account needs any more. */
  #release(subscription: Subscription): void {
    const { actionId } = subscription;
    if (this.#singles.get(actionId) === subscription) return;
    if (this.#account?.tracked(actionId) === subscription) return;
    subscription.close();
  }
}
