/** The admission of a topic: the last question that was answered, and the one under way. */
interface Admission {
  /** When the last question that was answered with yes was asked, in ms on the monotonic clock. */
  askedAt: number;
  underWay: Promise<void> | undefined;
}

/** Asks whether the messages of a topic may be processed. One answer holds for all messages fetched before its question. */
export class Admissions {
  readonly #admit: ((topic: string) => Promise<void>) | undefined;
  readonly #topics = new Map<string, Admission>();

  constructor(admit: ((topic: string) => Promise<void>) | undefined) {
    this.#admit = admit;
  }

  /**
   * Resolves if a message that was fetched at `fetchedAt` may be processed.
   *
   * @returns the time of the question. All messages that were fetched by then may be processed.
   * @throws the error of the refusal.
   */
  async admit(topic: string, fetchedAt: number): Promise<number> {
    if (this.#admit === undefined) return Infinity;
    const admission = this.#topics.get(topic) ?? { askedAt: -Infinity, underWay: undefined };
    this.#topics.set(topic, admission);
    while (admission.askedAt < fetchedAt) {
      // A question that was asked before the fetch does not answer for it, but its successor does.
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
