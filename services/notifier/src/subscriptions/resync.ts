import { CodedError } from '@bulk/domain';
import { MONGODB } from '@bulk/mongo';
import { WorkerLoop, type DependencyWatch, type Logger } from '@bulk/runtime';
import type { SubscriptionHub } from './hub.ts';
import type { Snapshots } from './snapshots.ts';

export interface ResyncOptions {
  readonly hub: SubscriptionHub;
  readonly snapshots: Snapshots;
  /** Records from each round whether MongoDB is available. */
  readonly dependencies: DependencyWatch;
  /** Maximum time between two rounds, in ms. */
  readonly intervalMs: number;
  /** Maximum number of unfinished actions that are read per account. */
  readonly maxAccountActions: number;
  readonly log: Logger;
}

/**
 * How far before the last round finished actions are read again, in ms.
 *
 * This covers the time from the instant that a service records as the end until its write is
 * visible, and the difference of the clocks.
 */
const OVERLAP_MS = 30_000;

/**
 * Reads the states of all subscribed actions and accounts again.
 *
 * A round runs when the progress feed has found its position, which makes up for what was published
 * while the feed was down. Another runs after every interval, which finds changes without an event,
 * such as one by intake, or one whose event was lost. Versions make this harmless at any time.
 * Rounds never overlap. A round reads each account once, however many connections share it: its
 * unfinished actions, those that ended since the last round, and those that a subscription still
 * takes for unfinished.
 */
export class Resync {
  readonly #options: ResyncOptions;
  readonly #loop: WorkerLoop;

  constructor(options: ResyncOptions) {
    this.#options = options;
    this.#loop = new WorkerLoop({ round: () => this.#round() });
  }

  start(): void {
    this.#loop.start(this.#options.intervalMs);
  }

  /** Requests a round as soon as the one under way, if any, has ended. */
  request(): void {
    this.#loop.wake();
  }

  stop(): Promise<void> {
    return this.#loop.stop();
  }

  async #round(): Promise<number> {
    await this.#readSubscribed();
    return this.#options.intervalMs;
  }

  async #readSubscribed(): Promise<void> {
    const { hub, dependencies, log } = this.#options;
    const actionIds = new Set(hub.unsettledActionIds());
    const accountIds = hub.accountIds();
    if (actionIds.size + accountIds.length === 0) return;
    try {
      await dependencies.during([MONGODB], () => this.#read(actionIds, accountIds));
    } catch (error) {
      // The outage of MongoDB is logged once elsewhere. Any other error is unexpected.
      const level = error instanceof CodedError && error.retryable ? 'debug' : 'warn';
      log[level]({ err: error }, 'States of subscribed actions not read; retrying');
    }
  }

  async #read(actionIds: Set<string>, accountIds: readonly string[]): Promise<void> {
    const { hub, snapshots } = this.#options;
    for (const accountId of accountIds) {
      for (const actionId of await this.#readAccount(accountId)) actionIds.add(actionId);
    }
    for (const state of await snapshots.readAll([...actionIds])) hub.confirm(state);
  }

  /** Reads an account. @returns the tracked actions of the account that the read did not find. */
  async #readAccount(accountId: string): Promise<Set<string>> {
    const { hub, snapshots, maxAccountActions } = this.#options;
    const subscriptions = hub.accountSubscriptions(accountId);
    const missing = new Set(subscriptions.flatMap((subscription) => [...subscription.unendedIds()]));
    const from = Math.min(...subscriptions.map(({ syncedTo }) => syncedTo));
    const at = Date.now();
    // One more than may be tracked, so that a subscription that cannot track them all notices.
    for await (const state of snapshots.unfinished(accountId, maxAccountActions + 1)) {
      missing.delete(state.actionId);
      hub.confirm(state);
    }
    if (from === Infinity) return missing;
    for await (const state of snapshots.finishedSince(accountId, new Date(from - OVERLAP_MS))) {
      missing.delete(state.actionId);
      hub.confirm(state);
    }
    for (const subscription of subscriptions) subscription.synced(at);
    return missing;
  }
}
