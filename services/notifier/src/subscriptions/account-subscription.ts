import type { ProgressState } from '@bulk/contracts';
import { isFinal } from '@bulk/domain';
import type { FinishedView } from './finished-actions.ts';
import type { Subscription } from './subscription.ts';

export interface AccountSubscriptionOptions {
  readonly accountId: string;
  /** Actions tracked at most. */
  readonly maxActions: number;
  /** What this connection was sent of finished actions; closed with this subscription. */
  readonly finished: FinishedView;
  /** The connection's subscription to an action by itself, where there is one. */
  readonly single: (actionId: string) => Subscription | undefined;
  /** Makes the subscription to an action. Undefined if there is no room: whoever holds this has ended it. */
  readonly create: (actionId: string) => Subscription | undefined;
  /** An action is tracked no more; closes its subscription unless it is subscribed to by itself. */
  readonly release: (subscription: Subscription) => void;
  /** Has an action looked up in MongoDB; the answer comes as `confirm`, or never. */
  readonly lookUp: (actionId: string) => void;
  /** More than `maxActions` would have to be tracked: whoever holds this ends it. */
  readonly onOverflow: () => void;
}

interface HeldState {
  readonly state: ProgressState;
  /** Whether it was read from MongoDB. */
  readonly isRead: boolean;
}

/** How far the clocks of the services may differ, in ms. */
const CLOCK_SKEW_MS = 5_000;

/**
 * What one connection gets to see of all actions of an account. Each action has a Subscription, which keeps its rules
 * (versions only rise, a bounded rate, one state waiting); this adds which actions there are.
 *
 * An action is forgotten once its final state has been sent. That a late, older event does not bring it back is not a
 * matter of remembering it, which could only be done for a while: an event of an action that is not tracked, and that is
 * not final, is believed only after a look into MongoDB, whose state is at least as new as any event (events follow the
 * write) and which knows that the action has ended. What is remembered of finished actions has to last only as long
 * as a read of MongoDB that is under way; beyond that it spares looks and repetitions of a final state.
 *
 * It begins held: what comes before `open` waits, the newest state per action, so that nothing falls between the
 * registration and the snapshot.
 */
export class AccountSubscription {
  readonly accountId: string;
  readonly #options: AccountSubscriptionOptions;
  readonly #tracked = new Map<string, Subscription>();
  readonly #finished: FinishedView;
  /** While held: the newest state of each action. */
  #early: Map<string, HeldState> | undefined = new Map();
  #closed = false;
  /** Actions that had finished before this are not shown, in ms since 1970. */
  #floor = Infinity;
  #syncedTo = Infinity;

  constructor(options: AccountSubscriptionOptions) {
    this.accountId = options.accountId;
    this.#options = options;
    this.#finished = options.finished;
  }

  /** Up to when MongoDB was read for it, in ms since 1970; what finished later may be missing. Infinity while held. */
  get syncedTo(): number {
    return this.#syncedTo;
  }

  /** Whether it still waits for its first snapshot. */
  get held(): boolean {
    return this.#early !== undefined;
  }

  /** A read of MongoDB that began at `at` has been confirmed to it whole. */
  synced(at: number): void {
    this.#syncedTo = Math.max(this.#syncedTo, at);
  }

  tracked(actionId: string): Subscription | undefined {
    return this.#tracked.get(actionId);
  }

  /** Tracked actions whose end is not known. */
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
    // A final state is the truth wherever it comes from.
    else if (this.#finishedSince(this.#floor - CLOCK_SKEW_MS, state)) this.#begin(state);
  }

  /** Takes a state that was read from MongoDB after this subscription began. */
  confirm(state: ProgressState): void {
    if (this.#isHeldBack(state, true)) return;
    const known = this.#tracked.get(state.actionId);
    if (known !== undefined) known.offer(state);
    else if (this.#isNews(state) && this.#isShown(state)) this.#begin(state);
  }

  /**
   * Answers a `subscribeAccount`: sends the snapshot, oldest first, again even if it was sent before, and goes on from
   * there.
   *
   * @param at when its read began, in ms since 1970.
   * @param since from when on finished actions are shown, in ms since 1970; default: from `at`.
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
      // Unless it has ended, and that was sent, while the snapshot was read.
      if (newest.version >= this.#finished.versionOf(newest.actionId)) this.#show(newest);
    }
    for (const { state, isRead } of early.values()) {
      if (isRead) this.confirm(state);
      else this.offer(state);
    }
  }

  /** A state of an action was sent: of a final one there is nothing more to track. */
  sent(state: ProgressState): void {
    if (!isFinal(state.status)) return;
    this.#finished.add(state);
    this.#forget(state.actionId);
  }

  /** The sink is ready again. */
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

  /** Whether a state is not to be looked at now: another account's, too late, or too early, which it is kept for. */
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

  /** Tracks an action, and shows it unless that has been done. */
  #begin(state: ProgressState): void {
    const single = this.#options.single(state.actionId);
    if (single === undefined) this.#show(state);
    else if (this.#hasRoomFor(state.actionId)) {
      this.#tracked.set(state.actionId, single);
      single.offer(state);
      this.#forgetIfSettled(single);
    }
  }

  /** Tracks an action, and shows it even if that has been done. */
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

  /** One that is subscribed to by itself, too, may have shown its end before. */
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

/** Ids are UUIDs of version 7, which sort by the time of creation. */
function byAge(a: ProgressState, b: ProgressState): number {
  return a.actionId < b.actionId ? -1 : a.actionId > b.actionId ? 1 : 0;
}
