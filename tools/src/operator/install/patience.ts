/** When the patience starts again. */
export interface Extension {
  /** Whether what is waited for makes progress. A rejection counts as no. It must settle eventually. */
  readonly isAtWork: () => Promise<boolean>;
  /** Time between two questions, in ms. */
  readonly everyMs: number;
  /** Longest time for which the patience starts again, in ms. */
  readonly atMostMs: number;
}

/** A time limit that starts again while what is waited for makes progress. */
export class Patience {
  readonly #ended = new AbortController();
  readonly #timer: NodeJS.Timeout;
  #questions: NodeJS.Timeout | undefined;

  /** @param limitMs time without progress after which `signal` aborts, in ms. */
  constructor(limitMs: number) {
    this.#timer = setTimeout(() => this.#ended.abort(new Error('the time is over')), limitMs);
  }

  get signal(): AbortSignal {
    return this.#ended.signal;
  }

  /** Asks at intervals, one question at a time, until `end`. */
  extendWhile({ isAtWork, everyMs, atMostMs }: Extension): void {
    const until = performance.now() + atMostMs;
    const ask = async (): Promise<void> => {
      const atWork = await isAtWork().catch(() => false);
      if (this.#questions === undefined || this.signal.aborted || performance.now() > until) return;
      if (atWork) this.#timer.refresh();
      this.#questions = setTimeout(() => void ask(), everyMs);
    };
    this.#questions = setTimeout(() => void ask(), everyMs);
  }

  /** Ends the limit without aborting the signal. */
  end(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#questions);
    this.#questions = undefined;
  }
}
