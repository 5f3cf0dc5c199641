import type { Logger } from '@bulk/runtime';
import type { SubscriptionHub } from './hub.ts';
import type { Snapshots } from './snapshots.ts';

export interface NewcomersOptions {
  readonly hub: SubscriptionHub;
  readonly snapshots: Pick<Snapshots, 'readAll'>;
  /** Maximum number of actions that wait for their look-up. */
  readonly maxWaiting: number;
  readonly log: Logger;
}

/**
 * Looks up actions that are new to an account's subscription, once for all that ask at the same
 * time.
 *
 * There is one read at a time. An action that cannot be looked up, because MongoDB is unavailable
 * or too many actions wait, is left to the next resync.
 */
export class Newcomers {
  readonly #options: NewcomersOptions;
  #waiting = new Set<string>();
  #reading = false;

  constructor(options: NewcomersOptions) {
    this.#options = options;
  }

  /** Reads an action from MongoDB and passes its state to the hub. Never throws. */
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
        // Resync reports aloud that MongoDB is unavailable.
        log.debug(
          { err: error, actions: actionIds.length },
          'New actions not read; waiting for the next resync',
        );
      }
    }
    this.#reading = false;
  }
}
