import type { Lane } from '@bulk/domain';
import { shareOf, type Contender } from './turns.ts';

/** A step under way. */
export interface Step<T> {
  readonly of: T;
  /**
   * Maximum number of batches that the step may publish; once the step has ended, the number that
   * it has published.
   */
  batches: number;
}

/**
 * The steps under way.
 *
 * Steps of different lanes and accounts run concurrently, so that a send that hangs holds up no
 * other. An action has one step at a time, which keeps its order. An account has one step in a lane
 * while other accounts are there, so that an account with many actions gets no more turns than one
 * with a single action.
 */
export class Steps<T extends Contender> {
  readonly #perLane: number;
  readonly #running = new Map<Step<T>, Promise<void>>();

  /** @param perLane maximum number of concurrent steps of a lane. */
  constructor(perLane: number) {
    this.#perLane = perLane;
  }

  /** The steps that are under way now. */
  get running(): Step<T>[] {
    return [...this.#running.keys()];
  }

  has(one: T): boolean {
    return this.running.some((step) => step.of === one);
  }

  /**
   * Returns whether a step of an action may start.
   *
   * @param here all actions that are dispatched here.
   */
  mayStart(one: T, here: readonly T[]): boolean {
    if (this.has(one)) return false;
    const inLane = this.running.filter(({ of }) => of.lane === one.lane);
    if (inLane.length >= this.#perLane) return false;
    if (!inLane.some(({ of }) => shareOf(of) === shareOf(one))) return true;
    return !here.some((other) => isRival(other, one, one.lane));
  }

  /**
   * Starts a step.
   *
   * @param work never rejects.
   * @param onEnded called when the step no longer counts as under way.
   */
  start(step: Step<T>, work: () => Promise<void>, onEnded: () => void): void {
    this.#running.set(
      step,
      work().finally(() => {
        this.#running.delete(step);
        onEnded();
      }),
    );
  }

  /** Resolves when the steps that are under way at the call have ended. */
  async ended(): Promise<void> {
    await Promise.all(this.#running.values());
  }
}

function isRival(other: Contender, one: Contender, lane: Lane): boolean {
  return other.lane === lane && other.accountId !== one.accountId;
}
