import type { ProgressState } from '@bulk/contracts';
import { isFinal } from '@bulk/domain';
import type { Scheduler } from '@bulk/runtime';
import type { DropReason } from './update-recorder.ts';

/** The receiver of a subscription's updates. */
export interface UpdateSink {
  /** `false` while the buffer is full: nothing is sent until `resume`. */
  readonly ready: boolean;
  send(state: ProgressState): void;
}

export interface SubscriptionOptions {
  readonly actionId: string;
  /** States of other accounts are dropped. `undefined` if the id of the action is enough. */
  readonly accountId: string | undefined;
  /** Minimum time between two updates, in ms. */
  readonly intervalMs: number;
  readonly scheduler: Scheduler;
  readonly sink: UpdateSink;
  /** Called when a newer state replaced a state before it was sent. */
  readonly onDropped?: (reason: DropReason) => void;
  /** Called once, when the subscription is closed. */
  readonly onClosed?: () => void;
}

/**
 * Decides what one connection receives of one action.
 *
 * Versions only rise, there is at most one update per interval, the newest state always arrives,
 * and a final one arrives at once. The subscription holds at most one state, however many are
 * offered.
 *
 * Held → (`open`) open → (`close`) closed. While held, `offer` keeps the newest state, so that
 * nothing is lost between the registration and the first snapshot, and no update precedes the
 * answer `subscribed`. While the sink is not ready, the newest state waits for `resume`. `close` is
 * final.
 */
export class Subscription {
  readonly actionId: string;
  readonly #options: SubscriptionOptions;
  #phase: 'held' | 'open' | 'closed' = 'held';
  #pending: ProgressState | undefined;
  #sentVersion = -1;
  #sentAt = -Infinity;
  #settled = false;
  #cancelTimer: (() => void) | undefined;

  constructor(options: SubscriptionOptions) {
    this.actionId = options.actionId;
    this.#options = options;
  }

  /** Whether the subscription still waits for its first snapshot. */
  get held(): boolean {
    return this.#phase === 'held';
  }

  /** Whether the final state has been sent, after which there are no others. */
  get settled(): boolean {
    return this.#settled;
  }

  /** Whether the final state is known, even if it still waits. */
  get ended(): boolean {
    return this.#settled || (this.#pending !== undefined && isFinal(this.#pending.status));
  }

  /**
   * Takes a state from any source. Drops states of another account and those that are not newer.
   */
  offer(state: ProgressState): void {
    const { accountId } = this.#options;
    if (this.#phase === 'closed' || (accountId !== undefined && state.accountId !== accountId)) return;
    if (state.version <= (this.#pending?.version ?? this.#sentVersion)) return;
    if (this.#pending !== undefined) this.#noteDropped();
    this.#pending = state;
    this.#sendWhenDue();
  }

  /**
   * Answers a `subscribe`: sends the newest known state, even if it was sent before, and continues
   * from there.
   */
  open(snapshot: ProgressState): void {
    if (this.#phase === 'closed') return;
    this.#phase = 'open';
    const newest = newer(snapshot, this.#pending);
    if (newest.version < this.#sentVersion) return;
    this.#pending = newest;
    if (this.#options.sink.ready) this.#send(newest);
  }

  /** Sends what waits, once the sink is ready again. */
  resume(): void {
    this.#sendWhenDue();
  }

  close(): void {
    if (this.#phase === 'closed') return;
    this.#phase = 'closed';
    this.#pending = undefined;
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#options.onClosed?.();
  }

  #noteDropped(): void {
    const { sink, onDropped } = this.#options;
    onDropped?.(this.#phase === 'open' && !sink.ready ? 'slow_client' : 'interval');
  }

  #sendWhenDue(): void {
    const state = this.#pending;
    const { scheduler, intervalMs, sink } = this.#options;
    if (state === undefined || this.#phase !== 'open' || !sink.ready) return;
    const wait = isFinal(state.status) ? 0 : this.#sentAt + intervalMs - scheduler.now();
    if (wait <= 0) this.#send(state);
    else {
      this.#cancelTimer ??= scheduler.after(wait, () => {
        this.#cancelTimer = undefined;
        this.#sendWhenDue();
      });
    }
  }

  #send(state: ProgressState): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#pending = undefined;
    this.#sentVersion = state.version;
    this.#sentAt = this.#options.scheduler.now();
    this.#settled = isFinal(state.status);
    this.#options.sink.send(state);
  }
}

function newer(a: ProgressState, b: ProgressState | undefined): ProgressState {
  return b !== undefined && b.version > a.version ? b : a;
}
