import type { ProgressState } from '@bulk/contracts';
import { isFinal } from '@bulk/domain';
import type { Scheduler } from '@bulk/runtime';
import type { DropReason } from '../connection/connection-recorder.ts';

/** What a subscription speaks to. */
export interface UpdateSink {
  /** False while its buffer is full: nothing is sent until `resume`. */
  readonly ready: boolean;
  send(state: ProgressState): void;
}

export interface SubscriptionOptions {
  readonly actionId: string;
  /** States of other accounts are dropped. Undefined: the id of the action is enough. */
  readonly accountId: string | undefined;
  /** Shortest time between two updates, in ms. */
  readonly intervalMs: number;
  readonly scheduler: Scheduler;
  readonly sink: UpdateSink;
  /** A state was replaced by a newer one before it was sent. */
  readonly onDropped?: (reason: DropReason) => void;
  /** Called once, when it is closed. */
  readonly onClosed?: () => void;
}

/**
 * What one connection gets to see of one action: versions that only rise, at most one per interval, the newest one
 * always, a final one at once. It holds one state at most, however many come.
 *
 * It begins held (`offer` keeps the newest) until `open`, so that nothing is lost between the registration and the first
 * snapshot, and no update precedes the answer `subscribed`. While the sink is not ready, the newest state waits for
 * `resume`. `close` ends it for good.
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

  /** Whether it still waits for its first snapshot. */
  get held(): boolean {
    return this.#phase === 'held';
  }

  /** Whether the final state has been sent, after which there is no other. */
  get settled(): boolean {
    return this.#settled;
  }

  /** Whether the final state is known, though it may wait to be sent. */
  get ended(): boolean {
    return this.#settled || (this.#pending !== undefined && isFinal(this.#pending.status));
  }

  /** Takes a state, from wherever; another account's, and one that is not newer, is dropped. */
  offer(state: ProgressState): void {
    const { accountId } = this.#options;
    if (this.#phase === 'closed' || (accountId !== undefined && state.accountId !== accountId)) return;
    if (state.version <= (this.#pending?.version ?? this.#sentVersion)) return;
    if (this.#pending !== undefined) this.#noteDropped();
    this.#pending = state;
    this.#sendWhenDue();
  }

  /** Answers a `subscribe`: sends the newest state known now, again even if it was sent before, and goes on from there. */
  open(snapshot: ProgressState): void {
    if (this.#phase === 'closed') return;
    this.#phase = 'open';
    const newest = newer(snapshot, this.#pending);
    if (newest.version < this.#sentVersion) return;
    this.#pending = newest;
    if (this.#options.sink.ready) this.#send(newest);
  }

  /** The sink is ready again. */
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
