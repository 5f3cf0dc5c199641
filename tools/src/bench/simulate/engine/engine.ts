import { CodedError } from '@bulk/domain';
import type { Scheduler } from '@bulk/runtime';
import { EventQueue } from './event-queue.ts';

/** Thrown when a simulation cannot reach its end. */
export class SimulationStuckError extends CodedError {
  constructor(reason: string, now: number) {
    super('SIMULATION_STUCK', `${reason} after ${Math.round(now)} ms of virtual time`);
  }
}

/**
 * Runs code that waits for timers and promises in virtual time.
 *
 * The clock stands still while code runs and jumps to the next event when nothing is left to run. So
 * the classes of the platform run unchanged, as long as their clock and their timers are this engine.
 */
export class Engine {
  /**
   * The clock and timers for classes of the platform. Like those of Node, a timer takes whole
   * milliseconds: with less, a rest that rounding makes too short would repeat for ever.
   */
  readonly scheduler: Scheduler = {
    now: () => this.#now,
    after: (ms, run) => this.#after(Math.max(1, Math.ceil(ms)), run),
  };
  readonly #queue = new EventQueue();
  #now = 0;

  /** Returns the virtual time, in ms. */
  now(): number {
    return this.#now;
  }

  /** Resolves after `ms` milliseconds of virtual time. */
  wait(ms: number): Promise<void> {
    return new Promise((resolve) => this.#after(ms, resolve));
  }

  /**
   * Runs events until `isDone`.
   *
   * @param limitMs virtual time at which the run fails.
   * @throws SimulationStuckError if no event is left or the limit is reached before that.
   */
  async run(isDone: () => boolean, limitMs: number): Promise<void> {
    await settled();
    while (!isDone()) {
      const event = this.#queue.take();
      if (event === undefined) throw new SimulationStuckError('no event is left', this.#now);
      if (event.cancelled) continue;
      if (event.at > limitMs) throw new SimulationStuckError('the end was not reached', this.#now);
      this.#now = event.at;
      event.run();
      await settled();
    }
  }

  #after(ms: number, run: () => void): () => void {
    const event = this.#queue.add(this.#now + Math.max(0, ms), run);
    return () => {
      event.cancelled = true;
    };
  }
}

/**
 * Resolves when every promise that can settle without a further event has settled.
 *
 * A class of the platform may put work off to the end of a turn (`setImmediate`), once for an event.
 */
async function settled(): Promise<void> {
  await nextTurn();
  await nextTurn();
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
