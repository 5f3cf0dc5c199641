import { isTransient } from '@bulk/kafka';
import type { Logger } from '@bulk/runtime';
import { ActionDispatch, type ActionDispatchOptions } from './action-dispatch.ts';

export interface DispatcherOptions extends ActionDispatchOptions {
  /** Name of this instance, different from that of any other that ever ran. */
  readonly instanceId: string;
  /** Actions side by side, at most. */
  readonly concurrency: number;
  readonly log: Logger;
}

/**
 * Publishes the batches of accepted actions that are due: one window of each leased action in turn, so that a small
 * action does not wait behind a big one.
 *
 * Idle → (wake) running → idle when nothing is due. Stopping: the window under way is finished, leases are handed back.
 * A fault ends an action's turn: its lease is handed back, and the next wake takes it up again.
 */
export class Dispatcher {
  readonly #options: DispatcherOptions;
  #active: ActionDispatch[] = [];
  #running: Promise<void> | undefined;
  #awake = false;
  #stopping = false;
  #claims = 0;

  constructor(options: DispatcherOptions) {
    this.#options = options;
  }

  /** Something may be due. Returns at once. */
  wake(): void {
    this.#awake = true;
    if (this.#stopping) return;
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
      if (this.#awake) this.wake();
    });
  }

  /** Finishes the window under way and hands every lease back. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#running;
    await Promise.all(this.#active.map((dispatch) => this.#release(dispatch)));
    this.#active = [];
  }

  async #run(): Promise<void> {
    while (this.#mayGoOn()) {
      this.#awake = false;
      await this.#claimDue();
      if (this.#active.length === 0) return;
      for (const dispatch of [...this.#active]) {
        if (!this.#mayGoOn()) return;
        await this.#step(dispatch);
      }
    }
  }

  #mayGoOn(): boolean {
    return !this.#stopping;
  }

  async #claimDue(): Promise<void> {
    const { store, monotonic, instanceId, concurrency, log } = this.#options;
    try {
      while (this.#active.length < concurrency) {
        const owner = `${instanceId}/${(this.#claims += 1)}`;
        const leasedAt = monotonic();
        const action = await store.claim(owner);
        if (action === undefined) return;
        this.#active.push(new ActionDispatch(action, owner, leasedAt, this.#options));
      }
    } catch (error) {
      log.warn({ err: error }, 'cannot look for actions to dispatch now');
    }
  }

  async #step(dispatch: ActionDispatch): Promise<void> {
    const { log } = this.#options;
    const { actionId } = dispatch;
    try {
      const result = await dispatch.step();
      if (result === 'more') return;
      if (result === 'lost') log.warn({ actionId }, 'lost the lease of a dispatch, another instance goes on');
      else log.info({ actionId }, 'dispatched');
    } catch (error) {
      if (isTransient(error))
        log.warn({ actionId, err: error }, 'a dispatch is interrupted and taken up again');
      else log.error({ actionId, err: error }, 'a dispatch fails');
      await this.#release(dispatch);
    }
    this.#active = this.#active.filter((other) => other !== dispatch);
  }

  async #release(dispatch: ActionDispatch): Promise<void> {
    try {
      await dispatch.release();
    } catch (error) {
      // The lease runs out by itself.
      this.#options.log.debug({ actionId: dispatch.actionId, err: error }, 'could not hand back a lease');
    }
  }
}
