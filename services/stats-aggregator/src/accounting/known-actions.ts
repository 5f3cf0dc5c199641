import type { CountedAction } from './action-counts.ts';

/** The state of an action after this process counted it last, and when that was. */
export interface KnownAction {
  readonly action: CountedAction;
  /** In ms of the monotonic clock. */
  readonly countedAt: number;
}

const MAX_KNOWN_ACTIONS = 1_000;

/**
 * Keeps the states of the actions that are being counted, so that a chunk need not read them.
 *
 * A state may be stale: other instances and other services change the same actions. Counting is
 * safe because the update that adds the counts is fenced on what it was computed from. Fields that
 * are used without that fence (`total`, `batchCount`) never change after the acceptance. A full
 * memory forgets the action that was used least recently.
 */
export class KnownActions {
  readonly #max: number;
  /** In ascending order of the last use. */
  readonly #known = new Map<string, KnownAction>();

  /** @param max maximum number of actions. */
  constructor(max: number = MAX_KNOWN_ACTIONS) {
    this.#max = max;
  }

  /** Number of actions whose state is kept. */
  get size(): number {
    return this.#known.size;
  }

  /** Returns the last state of an action, and marks it as used. */
  get(actionId: string): KnownAction | undefined {
    const known = this.#known.get(actionId);
    if (known === undefined) return undefined;
    this.#known.delete(actionId);
    this.#known.set(actionId, known);
    return known;
  }

  /** Replaces the state of an action. */
  keep(known: KnownAction): void {
    const { _id } = known.action;
    this.#known.delete(_id);
    this.#known.set(_id, known);
    if (this.#known.size <= this.#max) return;
    const [leastRecent] = this.#known.keys();
    if (leastRecent !== undefined) this.#known.delete(leastRecent);
  }

  /**
   * Drops all states.
   *
   * Call it when the group assigns partitions: another instance may have counted, and given up,
   * results of a partition that returns.
   */
  clear(): void {
    this.#known.clear();
  }

  /** Drops the state of an action, so that the next count reads it. */
  forget(actionId: string): void {
    this.#known.delete(actionId);
  }
}
