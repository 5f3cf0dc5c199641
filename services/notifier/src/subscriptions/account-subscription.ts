import type { ProgressState } from '@bulk/contracts';
import { isFinal } from '@bulk/domain';
import type { FinishedView } from './finished-actions.ts';
import type { Subscription } from './subscription.ts';

export interface AccountSubscriptionOptions {
  readonly accountId: string;
  /** Maximum number of actions that are tracked. */
  readonly maxActions: number;
  /** What this connection was sent of finished actions. Closed with this subscription. */
  readonly finished: FinishedView;
  /** Returns the connection's own subscription to a single action, if there is one. */
  readonly single: (actionId: string) => Subscription | undefined;
  /**
   * Creates the subscription to an action. Returns `undefined` if there is no room; its owner has
   * then ended the account's subscription.
   */
  readonly create: (actionId: string) => Subscription | undefined;
  /**
   * Called when an action is no longer tracked. Closes its subscription, unless the client
   * subscribed to the action itself.
   */
  readonly release: (subscription: Subscription) => void;
  /** Reads an action from MongoDB. The answer arrives through `confirm`, or never. */
  readonly lookUp: (actionId: string) => void;
  /**
   * Called if more than `maxActions` would have to be tracked. The owner must then end the
   * subscription.
   */
  readonly onOverflow: () => void;
}

interface HeldState {
  readonly state: ProgressState;
  /** Whether the state was read from MongoDB. */
  readonly isRead: boolean;
}

/** Maximum difference between the clocks of the services, in ms. */
const CLOCK_SKEW_MS = 5_000;

/**
 * Decides what one connection receives of all actions of an account.
 *
 * Each action has a Subscription, which keeps the rules of an action: versions only rise, the rate
 * is bounded, and at most one state waits. This class adds which actions are shown.
 *
 * An action is forgotten once its final state has been sent. A late, older event must not bring it
 * back, and remembering the action prevents that only for a while. So an event of an untracked
 * action that is not final only causes a read of MongoDB. The state read there is at least as new
 * as any event, because events follow the write, and it shows whether the action has ended. What is
 * remembered of finished actions must last only as long as a read of MongoDB that is under way.
 * Beyond that it saves reads and repetitions of a final state.
 *
 * The subscription starts held. Until `open` it keeps the newest state per action, so that nothing
 * is lost between the registration and the snapshot.
 */
export class AccountSubscription {
  readonly accountId: string;
  readonly #options: AccountSubscriptionOptions;
  readonly #tracked = new Map<string, Subscription>();
  readonly #finished: FinishedView;
  /** The newest state of each action, while the subscription is held. */
  #early: Map<string, HeldState> | undefined = new Map();
  #closed = false;
  /** Actions that finished before this instant are not shown, in ms since the epoch. */
  #floor = Infinity;
  #syncedTo = Infinity;

  constructor(options: AccountSubscriptionOptions) {
    this.accountId = options.accountId;
    this.#options = options;
    this.#finished = options.finished;
  }

  /**
   * Instant up to which MongoDB was read, in ms since the epoch. Later ends may be missing.
   * `Infinity` while held.
   */
  get syncedTo(): number {
    return this.#syncedTo;
  }

  /** Whether the subscription still waits for its first snapshot. */
  get held(): boolean {
    return this.#early !== undefined;
  }

  /** Records that a read of MongoDB which started at `at` has been confirmed completely. */
  synced(at: number): void {
    this.#syncedTo = Math.max(this.#syncedTo, at);
  }

  tracked(actionId: string): Subscription | undefined {
    return this.#tracked.get(actionId);
  }

  /** Yields the tracked actions whose end is not known. */
  *unendedIds(): Generator<string> {
    for (const [actionId, { ended }] of this.#tracked) if (!ended) yield actionId;
  }

  /** Takes the state of an event, which may be late or repeated. */
  offer(state: ProgressState): void {
    if (this.#isHeldBack(state, false)) return;
    const known = this.#tracked.get(state.actionId);
    if (known !== undefined) known.offer(state);
    else if (!this.#isNews(state)) return;
    else if (!isFinal(state.status)) this.#options.lookUp(state.actionId);
    // A final state is true whatever its source.
    else if (this.#finishedSince(this.#floor - CLOCK_SKEW_MS, state)) this.#begin(state);
  }

  /** Takes a state that was read from MongoDB after this subscription started. */
  confirm(state: ProgressState): void {
    if (this.#isHeldBack(state, true)) return;
    const known = this.#tracked.get(state.actionId);
    if (known !== undefined) known.offer(state);
    else if (this.#isNews(state) && this.#isShown(state)) this.#begin(state);
  }

  /**
   * Answers a `subscribeAccount`: sends the snapshot, oldest action first, and continues from
   * there.
   *
   * The snapshot is sent again even if it was sent before.
   *
   * @param at start of the snapshot's read, in ms since the epoch.
   * @param since instant from which finished actions are shown, in ms since the epoch. @default
   * `at`
   */
  open(snapshot: readonly ProgressState[], at: number, since: number = at): void {
    this.#floor = Math.min(this.#floor, since, at);
    this.#syncedTo = Math.min(this.#syncedTo, at);
    const early = this.#early ?? new Map<string, HeldState>();
    this.#early = undefined;
    for (const state of [...snapshot].sort(byAge)) {
      const newer = early.get(state.actionId)?.state;
      early.delete(state.actionId);
      const newest = newer !== undefined && newer.version > state.version ? newer : state;
      // Unless the action has ended, and its final state was sent, while the snapshot was read.
      if (newest.version >= this.#finished.versionOf(newest.actionId)) this.#show(newest);
    }
    for (const { state, isRead } of early.values()) {
      if (isRead) this.confirm(state);
      else this.offer(state);
    }
  }

  /** Records that a state was sent. After a final state the action is no longer tracked. */
  sent(state: ProgressState): void {
    if (!isFinal(state.status)) return;
    this.#finished.add(state);
    this.#forget(state.actionId);
  }

  /** Sends what waits, once the sink is ready again. */
  resume(): void {
    for (const subscription of this.#tracked.values()) subscription.resume();
  }

  close(): void {
    this.#closed = true;
    this.#early = undefined;
    this.#finished.close();
    const tracked = [...this.#tracked.values()];
    this.#tracked.clear();
    for (const subscription of tracked) this.#options.release(subscription);
  }

  /**
   * Returns whether a state is not processed now: of another account, too late, or too early, so
   * that it is kept.
   */
  #isHeldBack(state: ProgressState, isRead: boolean): boolean {
    if (this.#closed || state.accountId !== this.accountId) return true;
    if (this.#early === undefined) return false;
    const known = this.#early.get(state.actionId);
    if (known === undefined && this.#early.size >= this.#options.maxActions) this.#options.onOverflow();
    else if (known === undefined || state.version > known.state.version)
      this.#early.set(state.actionId, { state, isRead });
    return true;
  }

  #isNews({ actionId, version }: ProgressState): boolean {
    return version > this.#finished.versionOf(actionId);
  }

  #isShown(state: ProgressState): boolean {
    return !isFinal(state.status) || this.#finishedSince(this.#floor, state);
  }

  #finishedSince(instant: number, { finishedAt }: ProgressState): boolean {
    return finishedAt === null || finishedAt >= instant;
  }

  /** Tracks an action, and shows it unless its own subscription has shown it. */
  #begin(state: ProgressState): void {
    const single = this.#options.single(state.actionId);
    if (single === undefined) this.#show(state);
    else if (this.#hasRoomFor(state.actionId)) {
      this.#tracked.set(state.actionId, single);
      single.offer(state);
      this.#forgetIfSettled(single);
    }
  }

  /** Tracks an action, and shows it even if it was shown before. */
  #show(state: ProgressState): void {
    const { actionId } = state;
    if (!this.#hasRoomFor(actionId)) return;
    const { single, create } = this.#options;
    const subscription = this.#tracked.get(actionId) ?? single(actionId) ?? create(actionId);
    if (subscription === undefined) return;
    this.#tracked.set(actionId, subscription);
    subscription.open(state);
    this.#forgetIfSettled(subscription);
  }

  #hasRoomFor(actionId: string): boolean {
    if (this.#closed) return false;
    if (this.#tracked.has(actionId) || this.#tracked.size < this.#options.maxActions) return true;
    this.#options.onOverflow();
    return false;
  }

  /** Forgets an action whose own subscription has already shown its end. */
  #forgetIfSettled({ settled, actionId }: Subscription): void {
    if (settled) this.#forget(actionId);
  }

  #forget(actionId: string): void {
    const subscription = this.#tracked.get(actionId);
    if (subscription === undefined) return;
    this.#tracked.delete(actionId);
    this.#options.release(subscription);
  }
}

/** Compares by creation time: ids are UUIDs of version 7, which sort by it. */
function byAge(a: ProgressState, b: ProgressState): number {
  return a.actionId < b.actionId ? -1 : a.actionId > b.actionId ? 1 : 0;
}
