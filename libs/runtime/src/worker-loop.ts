import { systemScheduler, type Scheduler } from './scheduler.ts';

export interface WorkerLoopOptions {
  /**
   * Runs one round of work. It handles its own errors: a rejection ends the loop.
   *
   * @returns the rest after the round, in ms, unless the loop is woken; `UNTIL_WOKEN` for no limit.
   */
  readonly round: () => Promise<number>;
  /** @default systemScheduler */
  readonly scheduler?: Scheduler;
}

/** A rest that only a wake ends. */
export const UNTIL_WOKEN = Number.POSITIVE_INFINITY;

/**
 * Repeats rounds of work with rests between them. Rounds never overlap.
 *
 * - Created → `start` → resting → round → resting → … A rest ends after its time, or at once with `wake`.
 * - A wake during a round is not lost: the next round follows at once. Several wakes are one.
 * - `stop` lets the round under way finish and ends the loop for good. Nothing starts it again.
 */
export class WorkerLoop {
  readonly #round: () => Promise<number>;
  readonly #scheduler: Scheduler;
  readonly #stopping = new AbortController();
  #running: Promise<void> | undefined;
  #woken = false;
  #endRest: () => void = () => undefined;

  constructor({ round, scheduler = systemScheduler }: WorkerLoopOptions) {
    this.#round = round;
    this.#scheduler = scheduler;
  }

  /** Whether the loop was asked to stop. A round with several steps then starts no further step. */
  get stopping(): boolean {
    return this.#stopping.signal.aborted;
  }

  /** Starts the loop, unless it was started or stopped. @param restMs rest before the first round, in ms. @default 0 */
  start(restMs = 0): void {
    if (!this.stopping) this.#running ??= this.#run(restMs);
  }

  /** Ends the rest under way, or the next one. Returns at once. */
  wake(): void {
    this.#woken = true;
    this.#endRest();
  }

  /** Stops the loop: the round under way finishes, and no further round starts. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#endRest();
    await this.#running;
  }

  async #run(firstRestMs: number): Promise<void> {
    let restMs = firstRestMs;
    for (;;) {
      await this.#rest(restMs);
      if (this.stopping) return;
      this.#woken = false;
      restMs = await this.#round();
    }
  }

  #rest(ms: number): Promise<void> {
    if (this.#woken || this.stopping) return Promise.resolve();
    return new Promise((resolve) => {
      const cancel = ms === UNTIL_WOKEN ? undefined : this.#scheduler.after(Math.max(0, ms), resolve);
      this.#endRest = () => {
        cancel?.();
        resolve();
      };
    });
  }
}
