import type { Scheduler } from '@bulk/runtime';

/**
 * Spaces the snapshots of one connection: of each subject one per interval, however often the client asks, and also if
 * it unsubscribes in between. What is asked for too early comes once, when the interval has passed.
 */
export class SnapshotSpacing {
  readonly #intervalMs: number;
  readonly #scheduler: Scheduler;
  /** When the last snapshot of a subject was shown, oldest first; only of those that still delay another one. */
  readonly #shownAt = new Map<string, number>();
  /** Cancels the snapshot of a subject that waits. */
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

  /** Whether a snapshot of the subject was shown after an instant of the scheduler. */
  wasShownAfter(subject: string, instant: number): boolean {
    return (this.#shownAt.get(subject) ?? -Infinity) > instant;
  }

  /** How long a snapshot of the subject has to wait, in ms; 0: it may be shown now. */
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

  /** Drops the snapshot of the subject that waits, if any. */
  cancel(subject: string): void {
    this.#waiting.get(subject)?.();
    this.#waiting.delete(subject);
  }

  /** Drops every snapshot that waits. */
  close(): void {
    for (const subject of [...this.#waiting.keys()]) this.cancel(subject);
  }
}
