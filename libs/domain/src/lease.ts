/*
 * A lease gives one process the right to work on something until an instant. It is stored (`Lease`) by the clocks of
 * the processes. Its owner measures it (`LeaseTerm`) by a monotonic clock, which continues while the process stands
 * still. If an owner dies, its lease runs out and another process takes over.
 */

/** The owner of a piece of work and the end of its right, as stored. */
export interface Lease {
  /** A name that no other claim ever has: it fences the records of the owner. */
  readonly owner: string;
  readonly until: Date;
}

/** Returns a lease of `ms` milliseconds from now on. */
export function leaseFor(owner: string, ms: number, now: Date): Lease {
  return { owner, until: instantAfter(now, ms) };
}

/** Returns the instant `ms` milliseconds after another one, or before it if `ms` is negative. */
export function instantAfter(at: Date, ms: number): Date {
  return new Date(at.getTime() + ms);
}

/** A lease as its owner sees it, on the owner's monotonic clock. */
export class LeaseTerm {
  readonly #ms: number;
  readonly #takenAt: number;

  /**
   * @param ms duration of the lease.
   * @param takenAt monotonic time before the request for the lease, in ms.
   */
  constructor(ms: number, takenAt: number) {
    this.#ms = ms;
    this.#takenAt = takenAt;
  }

  /** Returns whether the lease lasts for at least `ms` more milliseconds. @param now monotonic time, in ms. */
  lasts(ms: number, now: number): boolean {
    return now - this.#takenAt + ms <= this.#ms;
  }

  /**
   * Returns whether work that must end within the lease may start: half of the lease is left. @param now monotonic
   * time, in ms.
   */
  isSafe(now: number): boolean {
    return this.lasts(this.#ms / 2, now);
  }
}

/**
 * Returns the interval at which an owner renews its lease, in ms. It leaves time for several tries before the lease
 * ends.
 */
export function renewalInterval(leaseMs: number): number {
  return leaseMs / 4;
}
