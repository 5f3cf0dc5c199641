/** The admission of a topic: the last question that was answered, and the one under way. */
interface Admission {
  /** When the last question that was answered with yes was asked, in ms on the monotonic clock. */
  askedAt: number;
  /** Whether the last answer was no. */
  isRefused: boolean;
  underWay: Promise<void> | undefined;
}

/**
 * Asks whether the messages of a topic may be processed. One answer holds for all messages fetched before its question.
 * After a refusal no message of the topic is admitted until a later question is answered with yes.
 */
export class Admissions {
  readonly #admit: ((topic: string) => Promise<void>) | undefined;
  readonly #topics = new Map<string, Admission>();

  constructor(admit: ((topic: string) => Promise<void>) | undefined) {
    this.#admit = admit;
  }

  /**
   * Resolves if a message that was fetched at `fetchedAt` may be processed.
   *
   * @param fetchedAt in ms on the monotonic clock; -Infinity for a message that needs no answer, unless the last answer
   * was a refusal.
   * @returns the time of the question. All messages that were fetched by then may be processed.
   * @throws the error of the refusal.
   */
  async admit(topic: string, fetchedAt: number): Promise<number> {
    if (this.#admit === undefined) return Infinity;
    const admission = this.#of(topic);
    while (admission.isRefused || admission.askedAt < fetchedAt) {
      // A question that was asked before the fetch does not answer for it, but its successor does.
      if (admission.underWay === undefined) await (admission.underWay = this.#ask(topic, admission));
      else await admission.underWay;
    }
    return admission.askedAt;
  }

  /** Asks about a topic of which Kafka has refused a fetch. The answer holds for its messages from then on. */
  recheck(topic: string): void {
    // A refusal is remembered, and the messages of the topic wait.
    this.admit(topic, performance.now()).catch(() => undefined);
  }

  #of(topic: string): Admission {
    let admission = this.#topics.get(topic);
    if (admission === undefined) {
      admission = { askedAt: -Infinity, isRefused: false, underWay: undefined };
      this.#topics.set(topic, admission);
    }
    return admission;
  }

  async #ask(topic: string, admission: Admission): Promise<void> {
    const askedAt = performance.now();
    try {
      await this.#admit?.(topic);
      admission.askedAt = askedAt;
      admission.isRefused = false;
    } catch (error) {
      admission.isRefused = true;
      throw error;
    } finally {
      admission.underWay = undefined;
    }
  }
}
