import type { Logger } from '@bulk/runtime';
import type { SubscriptionHub } from './hub.ts';
import type { Snapshots } from './snapshots.ts';

export interface NewcomersOptions {
  readonly hub: SubscriptionHub;
  readonly snapshots: Pick<Snapshots, 'readAll'>;
  /** Actions that wait to be looked up at most. */
  readonly maxWaiting: number;
  readonly log: Logger;
}

/**
 * Looks up actions of which an account's subscription heard for the first time, once for all who ask at the same time, one
 * read after the other. What cannot be looked up (MongoDB is away, too many at once) is left to the next resync.
 */
export class Newcomers {
  readonly #options: NewcomersOptions;
  #waiting = new Set<string>();
  #reading = false;

  constructor(options: NewcomersOptions) {
    this.#options = options;
  }

  /** Has the hub told of the action as MongoDB has it; never throws. */
  lookUp(actionId: string): void {
    if (this.#waiting.size < this.#options.maxWaiting) this.#waiting.add(actionId);
    if (this.#reading) return;
    this.#reading = true;
    void this.#read();
  }

  async #read(): Promise<void> {
    const { hub, snapshots, log } = this.#options;
    while (this.#waiting.size > 0) {
      const actionIds = [...this.#waiting];
      this.#waiting = new Set();
      try {
        for (const state of await snapshots.readAll(actionIds)) hub.confirm(state);
      } catch (error) {
        // Resync says aloud that MongoDB is away.
        log.debug({ err: error, actions: actionIds.length }, 'new actions wait for the next resync');
      }
    }
    this.#reading = false;
  }
}
