import { systemScheduler, WorkerLoop, type Logger, type Scheduler } from '@bulk/runtime';

export interface LatestOptions<T> {
  /** Name of what is read, in the log. */
  readonly name: string;
  readonly read: () => Promise<T>;
  /** Time between two reads, in ms. */
  readonly intervalMs: number;
  /** @default systemScheduler */
  readonly scheduler?: Scheduler;
  readonly log: Logger;
}

/** Number of intervals after which a value is too old to show. */
const MAX_INTERVALS = 3;

/**
 * Reads a value at intervals and keeps the latest one.
 *
 * It is for gauges that cost too much for each scrape. A read that fails keeps the value, which is
 * dropped once it is too old, because it would look like a current one.
 */
export class Latest<T> {
  readonly #options: LatestOptions<T>;
  readonly #scheduler: Scheduler;
  readonly #loop: WorkerLoop;
  #latest: { readonly value: T; readonly at: number } | undefined;

  constructor(options: LatestOptions<T>) {
    this.#options = options;
    this.#scheduler = options.scheduler ?? systemScheduler;
    this.#loop = new WorkerLoop({ round: () => this.#round(), scheduler: this.#scheduler });
  }

  /** The value of the last read; `undefined` if there is none that is recent. */
  get value(): T | undefined {
    if (this.#latest === undefined) return undefined;
    const age = this.#scheduler.now() - this.#latest.at;
    return age <= MAX_INTERVALS * this.#options.intervalMs ? this.#latest.value : undefined;
  }

  start(): void {
    this.#loop.start();
  }

  /** Stops reading. A read under way finishes. */
  stop(): Promise<void> {
    return this.#loop.stop();
  }

  async #round(): Promise<number> {
    const { name, read, intervalMs, log } = this.#options;
    try {
      this.#latest = { value: await read(), at: this.#scheduler.now() };
    } catch (error) {
      log.debug({ err: error, name }, 'Gauge not read; reading again later');
    }
    return intervalMs;
  }
}
