import type { Scheduler } from '@bulk/runtime';

/**
 * Spaces the snapshots of one connection: one per subject and interval, however often the client
 * asks.
 *
 * This holds even if the client unsubscribes in between. A snapshot that is requested too early is
 * shown once, when the interval has passed.
 */
export class SnapshotSpacing {
  readonly #intervalMs: number;
  readonly #scheduler: Scheduler;
  /**
   * Subject → time of its last snapshot, oldest first. Holds only snapshots that still delay
   * another one.
   */
  readonly #shownAt = new Map<string, number>();
  /** Subject → function that cancels its waiting snapshot. */
  readonly #waiting = new Map<string, () => void>();

  constructor(intervalMs: number, scheduler: Scheduler) {
    this.#intervalMs = intervalMs;
    this.#scheduler = scheduler;
  }

  /** Records that a snapshot of the subject is shown now. */
  shown(subject: string): void {
    const now = this.#scheduler.now();
    for (const [other, at] of this.#shownAt) {
      if (at + this.#intervalMs > now) break;
      this.#shownAt.delete(other);
    }
    this.#shownAt.delete(subject);
    this.#shownAt.set(subject, now);
  }

  /** Returns whether a snapshot of the subject was shown after an instant of the scheduler. */
  wasShownAfter(subject: string, instant: number): boolean {
    return (this.#shownAt.get(subject) ?? -Infinity) > instant;
  }

  /** Returns how long a snapshot of the subject must wait, in ms; 0 if it may be shown now. */
  delayOf(subject: string): number {
    const shownAt = this.#shownAt.get(subject);
    if (shownAt === undefined) return 0;
    return Math.max(0, shownAt + this.#intervalMs - this.#scheduler.now());
  }

  /** Calls `show` once the snapshot of the subject may be shown, unless it is cancelled. */
  postpone(subject: string, show: () => void): void {
    this.cancel(subject);
    const cancel = this.#scheduler.after(this.delayOf(subject), () => {
      this.#waiting.delete(subject);
      show();
    });
    this.#waiting.set(subject, cancel);
  }

  /** Drops the waiting snapshot of the subject, if any. */
  cancel(subject: string): void {
    this.#waiting.get(subject)?.();
    this.#waiting.delete(subject);
  }

  /** Drops every waiting snapshot. */
  close(): void {
    for (const subject of [...this.#waiting.keys()]) this.cancel(subject);
  }
}
