/** The admission of a topic: the last question that was answered, and the one under way. */
interface Admission {
  /** When the last question that was answered with yes was asked, in ms on the monotonic clock. */
  askedAt: number;
  underWay: Promise<void> | undefined;
}

/** Asks whether the messages of a topic may be processed. Partitions share the answers. */
export class Admissions {
  readonly #admit: ((topic: string) => Promise<void>) | undefined;
  readonly #topics = new Map<string, Admission>();

  constructor(admit: ((topic: string) => Promise<void>) | undefined) {
    this.#admit = admit;
  }

  /**
   * Resolves with the answer to a question that was asked at `since` or later.
   *
   * @returns the time of the question, in ms on the monotonic clock.
   * @throws the error of the refusal.
   */
  async admit(topic: string, since: number): Promise<number> {
    if (this.#admit === undefined) return Infinity;
    const admission = this.#topics.get(topic) ?? { askedAt: -Infinity, underWay: undefined };
    this.#topics.set(topic, admission);
    while (admission.askedAt < since) {
      // The question under way may have been asked too early. Its successor was not.
      if (admission.underWay === undefined) await (admission.underWay = this.#ask(topic, admission));
      else await admission.underWay;
    }
    return admission.askedAt;
  }

  async #ask(topic: string, admission: Admission): Promise<void> {
    const askedAt = performance.now();
    try {
      await this.#admit?.(topic);
      admission.askedAt = askedAt;
    } finally {
      admission.underWay = undefined;
    }
  }
}
