import type { ProgressState } from '@bulk/contracts';
import type { CodedError } from '@bulk/domain';
import type { Scheduler } from '@bulk/runtime';
import type { ConnectionRecorder } from '../connection/connection-recorder.ts';
import { AccountSubscription } from './account-subscription.ts';
import { ActionNotFoundError, TooManyActionsError, TooManySubscriptionsError } from './errors.ts';
import type { FinishedActions } from './finished-actions.ts';
import type { SubscriptionHub } from './hub.ts';
import type { Newcomers } from './newcomers.ts';
import type { Snapshots } from './snapshots.ts';
import { Subscription, type UpdateSink } from './subscription.ts';

/** What is the same for every client of a process. */
export interface SubscriptionSettings {
  readonly hub: SubscriptionHub;
  readonly snapshots: Pick<Snapshots, 'read' | 'readAccount'>;
  readonly newcomers: Pick<Newcomers, 'lookUp'>;
  /** What is remembered of each account, by all connections together. */
  readonly finished: FinishedActions;
  readonly scheduler: Scheduler;
  /** The time of day. */
  readonly now: () => Date;
  /** Shortest time between two updates of an action, in ms. */
  readonly intervalMs: number;
  readonly maxSubscriptions: number;
  /** Actions that a subscription to an account tracks at most. */
  readonly maxAccountActions: number;
  readonly recorder: Pick<ConnectionRecorder, 'dropped'>;
}

/**
 * What one client is subscribed to: single actions, its account, or both. There is one Subscription per action, whoever
 * wants it, so that each change is sent once. Calls that wait for a snapshot must not overlap.
 */
export class ClientSubscriptions implements UpdateSink {
  readonly #settings: SubscriptionSettings;
  readonly #sink: UpdateSink;
  readonly #onAccountEnded: (error: CodedError) => void;
  readonly #singles = new Map<string, Subscription>();
  #account: AccountSubscription | undefined;
  #closed = false;

  /** @param onAccountEnded the subscription to the account has outgrown its limit and is ended. */
  constructor(settings: SubscriptionSettings, sink: UpdateSink, onAccountEnded: (error: CodedError) => void) {
    this.#settings = settings;
    this.#sink = sink;
    this.#onAccountEnded = onAccountEnded;
  }

  /** Number of single actions, and of accounts, that are subscribed to. */
  get size(): number {
    return this.#singles.size + (this.#account === undefined ? 0 : 1);
  }

  /** Part of UpdateSink. */
  get ready(): boolean {
    return this.#sink.ready;
  }

  /** Part of UpdateSink. */
  send(state: ProgressState): void {
    this.#sink.send(state);
    this.#account?.sent(state);
  }

  /**
   * Subscribes to one action.
   *
   * @param acknowledge called before the first update.
   * @throws ActionNotFoundError, TooManySubscriptionsError; StoreError.
   */
  async subscribe(actionId: string, accountId: string, acknowledge: () => void): Promise<void> {
    const known = this.#singles.get(actionId);
    // Registered before the snapshot is read, so that no change falls in between.
    const subscription = known ?? this.#register(actionId, accountId);
    try {
      const state = await this.#settings.snapshots.read(actionId, accountId);
      if (state === undefined) throw new ActionNotFoundError(actionId);
      acknowledge();
      subscription.open(state);
    } catch (error) {
      if (known === undefined) this.unsubscribe(actionId);
      throw error;
    }
  }

  unsubscribe(actionId: string): void {
    const subscription = this.#singles.get(actionId);
    if (subscription === undefined) return;
    this.#singles.delete(actionId);
    this.#settings.hub.remove(subscription);
    this.#release(subscription);
  }

  /**
   * Subscribes to all actions of the account.
   *
   * @param since from when on finished ones are shown; default: from now on.
   * @param acknowledge called before the first update, with an instant before the snapshot was read.
   * @throws TooManyActionsError; StoreError.
   */
  async subscribeAccount(
    accountId: string,
    since: Date | undefined,
    acknowledge: (at: Date) => void,
  ): Promise<void> {
    const { snapshots, maxAccountActions, now } = this.#settings;
    const known = this.#account;
    const subscription = known ?? this.#registerAccount(accountId);
    try {
      const at = now();
      const states = await snapshots.readAccount(accountId, since, maxAccountActions + 1);
      if (states.length > maxAccountActions) throw new TooManyActionsError(maxAccountActions, accountId);
      // It may have outgrown its limit, which the client was told, or the client may be gone.
      if (this.#account !== subscription) return;
      acknowledge(at);
      subscription.open(states, at.getTime(), since?.getTime());
    } catch (error) {
      // Whoever is told that there are too many actions has no subscription, as when that turns out later.
      if (known === undefined || error instanceof TooManyActionsError) this.unsubscribeAccount();
      throw error;
    }
  }

  unsubscribeAccount(): void {
    const account = this.#account;
    if (account === undefined) return;
    this.#account = undefined;
    this.#settings.hub.removeAccount(account);
    account.close();
  }

  /** The sink is ready again. */
  resume(): void {
    for (const subscription of this.#singles.values()) subscription.resume();
    this.#account?.resume();
  }

  /** Ends all; what is under way leaves nothing behind. */
  close(): void {
    this.#closed = true;
    this.unsubscribeAccount();
    for (const actionId of [...this.#singles.keys()]) this.unsubscribe(actionId);
  }

  #register(actionId: string, accountId: string): Subscription {
    const { maxSubscriptions, hub } = this.#settings;
    if (this.#singles.size >= maxSubscriptions) throw new TooManySubscriptionsError(maxSubscriptions);
    const subscription = this.#account?.tracked(actionId) ?? this.#create(actionId, accountId);
    // A request that was waiting when the client went must leave nothing in the hub.
    if (this.#closed) return subscription;
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
      create: (actionId) => this.#create(actionId, accountId),
      release: (subscription) => this.#release(subscription),
      lookUp: (actionId) => newcomers.lookUp(actionId),
      onOverflow: () => {
        this.unsubscribeAccount();
        this.#onAccountEnded(new TooManyActionsError(maxAccountActions, accountId));
      },
    });
    if (this.#closed) {
      account.close();
      return account;
    }
    this.#account = account;
    hub.addAccount(account);
    return account;
  }

  #create(actionId: string, accountId: string): Subscription {
    const { intervalMs, scheduler, recorder } = this.#settings;
    return new Subscription({
      actionId,
      accountId,
      intervalMs,
      scheduler,
      sink: this,
      onDropped: (reason) => recorder.dropped(reason),
    });
  }

  /** Closes a subscription that nobody wants any more. */
  #release(subscription: Subscription): void {
    const { actionId } = subscription;
    if (this.#singles.get(actionId) === subscription) return;
    if (this.#account?.tracked(actionId) === subscription) return;
    subscription.close();
  }
}
