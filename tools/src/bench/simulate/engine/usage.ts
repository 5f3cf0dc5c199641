/** Measures how much of a resource is in use, as an integral over the virtual time. */
export class Usage {
  /** Number of units that can be in use at the same time. */
  readonly capacity: number;
  readonly #now: () => number;
  #used = 0;
  #area = 0;
  #changedAt = 0;

  /** @param now virtual time, in ms. */
  constructor(capacity: number, now: () => number) {
    this.capacity = capacity;
    this.#now = now;
  }

  /** Number of units in use now. */
  get used(): number {
    return this.#used;
  }

  /** The integral of the units in use up to now, in unit milliseconds. */
  get area(): number {
    return this.#area + this.#used * (this.#now() - this.#changedAt);
  }

  /** Takes units, or returns them if `units` is negative. */
  add(units: number): void {
    this.#area = this.area;
    this.#changedAt = this.#now();
    this.#used += units;
  }
}
