import type { Lane } from '@bulk/domain';

/** An action that waits for its turn in a lane. */
export interface Contender {
  readonly actionId: string;
  readonly accountId: string;
  readonly lane: Lane;
}

/** Names the share that is counted together: an account's actions of one lane. */
export function shareOf({ lane, accountId }: Pick<Contender, 'lane' | 'accountId'>): string {
  return `${lane}:${accountId}`;
}

/**
 * Decides whose turn it is.
 *
 * The turns go round robin over lanes, in a lane over its accounts, and of an account over its
 * actions. The turn goes to the contender whose last turn is the longest ago, so that it does not
 * matter who arrives and leaves in between. An account keeps its place when its actions leave.
 * Otherwise an account with many small actions, each of which leaves after its first turn, would be
 * a newcomer every time.
 */
export class Turns {
  readonly #last = new Map<string, number>();
  #turn = 0;

  /**
   * Gives the next turn.
   *
   * @returns the contender that has the turn; `undefined` if there are no contenders.
   */
  take<T extends Contender>(contenders: readonly T[]): T | undefined {
    let next: T | undefined;
    for (const one of contenders) if (next === undefined || this.#isBefore(one, next)) next = one;
    if (next === undefined) return undefined;
    this.#turn += 1;
    for (const key of keysOf(next)) this.#last.set(key, this.#turn);
    return next;
  }

  /**
   * Drops the turns of contenders that have left, once every remaining contender has had a later
   * turn.
   */
  forget(here: readonly Contender[]): void {
    const present = new Set(here.flatMap(keysOf));
    let oldest = this.#turn;
    for (const key of present) oldest = Math.min(oldest, this.#lastTurn(key));
    for (const [key, turn] of this.#last) {
      const gone = !present.has(key);
      if (gone && (here.length === 0 || turn <= oldest || key.startsWith(ACTION))) this.#last.delete(key);
    }
  }

  #isBefore(a: Contender, b: Contender): boolean {
    const [ofA, ofB] = [keysOf(a), keysOf(b)];
    for (const [i, key] of ofA.entries()) {
      const difference = this.#lastTurn(key) - this.#lastTurn(ofB[i] ?? key);
      if (difference !== 0) return difference < 0;
    }
    return false;
  }

  #lastTurn(key: string): number {
    return this.#last.get(key) ?? 0;
  }
}

const ACTION = 'action ';

/**
 * Returns the keys of a contender: of its lane, of its account within the lane, and of the action.
 */
function keysOf(contender: Contender): [string, string, string] {
  return [`lane ${contender.lane}`, `account ${shareOf(contender)}`, `${ACTION}${contender.actionId}`];
}
