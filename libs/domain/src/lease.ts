/*
 * A lease gives one process the right to work on something until an instant. It is stored (`Lease`) by the clocks of the
 * processes, and held (`LeaseTerm`) by the monotonic clock of its owner, which does not stand still while the process does.
 * An owner that dies lets its lease run out, and another process takes over.
 */

/** Who may work on something, and until when; as it is stored. */
export interface Lease {
  /** A name that no other claim has ever had: it fences what the owner records. */
  readonly owner: string;
  readonly until: Date;
}

/** A lease of `ms` milliseconds from now on. */
export function leaseFor(owner: string, ms: number, now: Date): Lease {
  return { owner, until: instantAfter(now, ms) };
}

/** The instant `ms` milliseconds after another one; before it, if `ms` is negative. */
export function instantAfter(at: Date, ms: number): Date {
  return new Date(at.getTime() + ms);
}

/** A lease as its owner sees it, on the owner's monotonic clock. */
export class LeaseTerm {
  readonly #ms: number;
  readonly #takenAt: number;

  /**
   * @param ms duration of the lease.
   * @param takenAt monotonic time, in ms, taken before the lease was asked for.
   */
  constructor(ms: number, takenAt: number) {
    this.#ms = ms;
    this.#takenAt = takenAt;
  }

  /** Whether the lease lasts for at least `ms` more milliseconds. @param now monotonic time, in ms. */
  lasts(ms: number, now: number): boolean {
    return now - this.#takenAt + ms <= this.#ms;
  }

  /** Whether work may begin that has to end within the lease: half of it is left. @param now monotonic time, in ms. */
  isSafe(now: number): boolean {
    return this.lasts(this.#ms / 2, now);
  }
}

/** How often an owner that works for longer than a lease renews it, in ms: several tries before it runs out. */
export function renewalInterval(leaseMs: number): number {
  return leaseMs / 4;
}
