/**
 * Bounds how many entities are processed at the same time, over all batches that share it.
 *
 * The batches of a group are applied at the same time. Without a bound that they share, an action
 * type that calls another system for each entity would call it as many times more often as the group
 * has batches.
 */
export class EntitySlots {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  /** @param slots number of entities at the same time; at least 1. */
  constructor(slots: number) {
    this.#free = slots;
  }

  /** Runs `work` when a slot is free. Entities get their slots in the order of the calls. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free += 1;
      else next();
    }
  }
}
