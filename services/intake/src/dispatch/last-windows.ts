import type { Lane } from '@bulk/domain';
import type { ActionDispatch } from './action-dispatch.ts';
import type { DispatchProgress } from './dispatch-progress.ts';

/** Maximum number of actions of a lane whose last windows are followed. More would add nothing. */
const PER_LANE = 8;
/** Time after which the place of an action is free, because its batches may be stuck, in ms. */
const PLACE_MS = 60_000;

interface Followed {
  readonly dispatch: ActionDispatch;
  /** Monotonic time from which on it is followed, in ms. */
  readonly since: number;
}

/**
 * Follows some actions that are published completely until their last windows are counted.
 *
 * Without it an action with a single window would never be measured, and the window of a lane with
 * many small actions would not grow.
 */
export class LastWindows {
  #followed: Followed[] = [];

  get actionIds(): string[] {
    return this.#followed.map(({ dispatch }) => dispatch.actionId);
  }

  /**
   * Follows an action, if there is a place.
   *
   * @param now monotonic time, in ms.
   */
  add(dispatch: ActionDispatch, now: number): void {
    this.#followed = this.#followed.filter(({ since }) => now - since < PLACE_MS);
    const inLane = this.#followed.filter((one) => one.dispatch.lane === dispatch.lane);
    if (inLane.length < PER_LANE) this.#followed.push({ dispatch, since: now });
  }

  /** Forgets all actions, because no look followed in time: their durations would be too long. */
  clear(): void {
    this.#followed = [];
  }

  /** Records the progress of the followed actions. */
  note(states: ReadonlyMap<string, DispatchProgress>): void {
    for (const { dispatch } of this.#followed) {
      const state = states.get(dispatch.actionId);
      if (state !== undefined) dispatch.note(state);
    }
  }

  /** Returns the durations of the windows of a lane that were counted since the last call, in ms. */
  takeTimes(lane: Lane): number[] {
    const inLane = this.#followed.filter(({ dispatch }) => dispatch.lane === lane);
    const times = inLane.flatMap(({ dispatch }) => dispatch.takeTimes());
    this.#followed = this.#followed.filter(({ dispatch }) => dispatch.lane !== lane || dispatch.hasUncounted);
    return times;
  }
}
