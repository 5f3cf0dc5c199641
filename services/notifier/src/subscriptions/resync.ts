import { CodedError } from '@bulk/domain';
import { MONGODB } from '@bulk/mongo';
import { delay, type Health, type Logger } from '@bulk/runtime';
import type { SubscriptionHub } from './hub.ts';
import type { Snapshots } from './snapshots.ts';

export interface ResyncOptions {
  readonly hub: SubscriptionHub;
  readonly snapshots: Snapshots;
  readonly health: Health;
  /** Longest time between two rounds, in ms. */
  readonly intervalMs: number;
  readonly log: Logger;
}

/**
 * Reads the states of all subscribed actions again: when the progress feed has found its place (what was published
 * while it was away is made up), and every interval (a change without an event, such as one by intake, or one whose event
 * was lost, is seen). Versions make this harmless at any time. Rounds never overlap.
 */
export class Resync {
  readonly #options: ResyncOptions;
  readonly #stopping = new AbortController();
  #wake = new AbortController();
  #loop: Promise<void> | undefined;

  constructor(options: ResyncOptions) {
    this.#options = options;
  }

  start(): void {
    this.#loop ??= this.#run();
  }

  /** Asks for a round as soon as the one under way, if any, has ended. */
  request(): void {
    this.#wake.abort();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#wake.abort();
    await this.#loop;
  }

  async #run(): Promise<void> {
    for (;;) {
      await delay(this.#options.intervalMs, this.#wake.signal);
      if (this.#stopping.signal.aborted) return;
      this.#wake = new AbortController();
      await this.#round();
    }
  }

  async #round(): Promise<void> {
    const { hub, snapshots, health, log } = this.#options;
    try {
      const actionIds = hub.unsettledActionIds();
      if (actionIds.length === 0) await snapshots.ping();
      for (const state of await snapshots.readAll(actionIds)) hub.publish(state);
      health.set(MONGODB, 'ready');
    } catch (error) {
      const reason = error instanceof CodedError ? error.message : String(error);
      health.set(MONGODB, 'waiting', reason);
      log.warn({ err: error }, 'could not read the states of subscribed actions, trying again');
    }
  }
}
