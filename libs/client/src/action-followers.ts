import type { ActionUpdate } from '@bulk/contracts';
import { tell, type ProgressListener } from './progress-listener.ts';

interface Followed {
  readonly listeners: Set<ProgressListener>;
  acknowledged: boolean;
  last: ActionUpdate | undefined;
}

/** Tracks the followers of single actions, and the last state of each action. States that are not newer are dropped. */
export class ActionFollowers {
  readonly #followed = new Map<string, Followed>();
  readonly #leave: (actionId: string, listener: ProgressListener) => void;

  /** @param leave removes a listener that threw. */
  constructor(leave: (actionId: string, listener: ProgressListener) => void) {
    this.#leave = leave;
  }

  get size(): number {
    return this.#followed.size;
  }

  get actionIds(): string[] {
    return [...this.#followed.keys()];
  }

  /** Adds a listener and shows it the known state. @returns whether it is the first listener of its action. */
  add(actionId: string, listener: ProgressListener): boolean {
    const known = this.#followed.get(actionId);
    if (known === undefined) {
      this.#followed.set(actionId, { listeners: new Set([listener]), acknowledged: false, last: undefined });
      return true;
    }
    known.listeners.add(listener);
    const { acknowledged, last } = known;
    if (acknowledged) this.#tell(actionId, [listener], (newcomer) => newcomer.subscribed());
    if (last !== undefined) this.#tell(actionId, [listener], (newcomer) => newcomer.updated(last));
    return false;
  }

  /** Removes a listener. @returns whether it was the last one of its action. */
  delete(actionId: string, listener: ProgressListener): boolean {
    const followed = this.#followed.get(actionId);
    if (followed?.listeners.delete(listener) !== true || followed.listeners.size > 0) return false;
    this.#followed.delete(actionId);
    return true;
  }

  acknowledged(actionId: string): void {
    const followed = this.#followed.get(actionId);
    if (followed === undefined || followed.acknowledged) return;
    followed.acknowledged = true;
    this.#tell(actionId, followed.listeners, (listener) => listener.subscribed());
  }

  updated(update: ActionUpdate): void {
    const followed = this.#followed.get(update.actionId);
    if (followed === undefined || update.version <= (followed.last?.version ?? -1)) return;
    followed.last = update;
    this.#tell(update.actionId, followed.listeners, (listener) => listener.updated(update));
  }

  /** Removes all listeners of an action and returns them. */
  take(actionId: string): ProgressListener[] {
    const listeners = [...(this.#followed.get(actionId)?.listeners ?? [])];
    this.#followed.delete(actionId);
    return listeners;
  }

  #tell(
    actionId: string,
    listeners: Iterable<ProgressListener>,
    call: (listener: ProgressListener) => void,
  ): void {
    tell(listeners, call, (listener) => this.#leave(actionId, listener));
  }
}
