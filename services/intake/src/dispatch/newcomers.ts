/** How long a newcomer makes others likely, in ms. People send one small action after another. */
const LIKELY_FOR_MS = 10_000;

/**
 * Knows whether newcomers are likely: actions that start while others are dispatched.
 *
 * No newcomer waits for a lone action, or for several that run for long, so their lanes may
 * hold a longer queue.
 */
export class Newcomers {
  #present = new Set<string>();
  #cameAt = Number.NEGATIVE_INFINITY;

  /**
   * Records who has something in flight or to publish, as of a look.
   *
   * @param now monotonic time, in ms.
   */
  note(present: readonly string[], now: number): void {
    if (this.#present.size > 0 && present.some((one) => !this.#present.has(one))) this.#cameAt = now;
    this.#present = new Set(present);
  }

  /** Records an action that starts here after the last look. */
  arrived(share: string, now: number): void {
    if (this.#present.size > 0) this.#cameAt = now;
    this.#present.add(share);
  }

  areLikelyAt(now: number): boolean {
    return now - this.#cameAt < LIKELY_FOR_MS;
  }
}
