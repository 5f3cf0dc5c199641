/** A limited number of places for work that is done at the same time. They are given in the order of asking. */
export class Places {
  #free: number;
  readonly #waiting = new Set<() => void>();

  /** @param count at least 1. */
  constructor(count: number) {
    this.#free = count;
  }

  /** Runs `work` when a place is free. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    await this.#enter();
    try {
      return await work();
    } finally {
      this.#leave();
    }
  }

  /** Waits for a place. @returns a function that gives the place back; undefined if the signal aborts first. */
  async take(signal: AbortSignal): Promise<(() => void) | undefined> {
    if (signal.aborted || !(await this.#enter(signal))) return undefined;
    return () => this.#leave();
  }

  /** @returns whether a place was taken. */
  async #enter(signal?: AbortSignal): Promise<boolean> {
    if (this.#free === 0) return this.#turn(signal);
    this.#free -= 1;
    return true;
  }

  #turn(signal?: AbortSignal): Promise<boolean> {
    return new Promise((resolve) => {
      const onTurn = (): void => {
        signal?.removeEventListener('abort', onAbort);
        resolve(true);
      };
      const onAbort = (): void => {
        this.#waiting.delete(onTurn);
        resolve(false);
      };
      this.#waiting.add(onTurn);
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  #leave(): void {
    const [next] = this.#waiting;
    if (next === undefined) {
      this.#free += 1;
      return;
    }
    this.#waiting.delete(next);
    next();
  }
}
