import { firstWithin } from '@bulk/domain';

/** Work that becomes part of a group. */
export interface GroupItem {
  /** Work of a lower rank goes first; work of one rank in the order in which it came. */
  readonly rank: number;
  /** Work of a lower number is more urgent. It shares no group with other work. */
  readonly urgency: number;
  readonly operations: number;
  /** Approximate size on the wire. */
  readonly bytes: number;
}

export interface GroupLimits {
  /** Maximum number of groups under way at the same time, without the one more for urgent work. */
  readonly concurrency: number;
  /** Maximum number of operations of a group, unless its first item alone has more. */
  readonly operations: number;
  /** Maximum number of bytes of a group, unless its first item alone has more. */
  readonly bytes: number;
}

/**
 * Collects work and commits it in groups, in the order of its rank.
 *
 * A group holds the work of one turn of the event loop and of one urgency. While the maximum number of groups is under
 * way, further work waits and joins the next group. So nothing waits for a timer, and groups grow under load. If all
 * groups under way are less urgent than the work in front, one more group starts at once.
 */
export class GroupCommit<Item extends GroupItem> {
  readonly #limits: GroupLimits;
  readonly #commit: (group: readonly Item[]) => Promise<void>;
  #waiting: Item[] = [];
  /** The urgency of each group under way. */
  readonly #underWay: number[] = [];
  #scheduled = false;

  /** @param commit settles every item of the group itself, and never rejects. */
  constructor(limits: GroupLimits, commit: (group: readonly Item[]) => Promise<void>) {
    this.#limits = limits;
    this.#commit = commit;
  }

  add(item: Item): void {
    const last = this.#waiting.findLastIndex(({ rank }) => rank <= item.rank);
    this.#waiting.splice(last + 1, 0, item);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled || this.#next === undefined) return;
    this.#scheduled = true;
    // Runs after everything that has arrived in this turn was processed.
    setImmediate(() => {
      this.#scheduled = false;
      for (let next = this.#next; next !== undefined; next = this.#next) this.#start(this.#take(next), next);
    });
  }

  /** The urgency of the next group; `undefined` if none may start. */
  get #next(): number | undefined {
    const { concurrency } = this.#limits;
    if (this.#underWay.length < concurrency) return this.#waiting[0]?.urgency;
    if (this.#underWay.length > concurrency || this.#waiting.length === 0) return undefined;
    const urgent = Math.min(...this.#waiting.map(({ urgency }) => urgency));
    return this.#underWay.every((urgency) => urgent < urgency) ? urgent : undefined;
  }

  #start(group: readonly Item[], urgency: number): void {
    this.#underWay.push(urgency);
    void this.#commit(group).finally(() => {
      this.#underWay.splice(this.#underWay.indexOf(urgency), 1);
      this.#schedule();
    });
  }

  /** Removes the first items of an urgency from those that wait. */
  #take(urgency: number): Item[] {
    const { operations, bytes } = this.#limits;
    const group = firstWithin(
      this.#waiting.filter((item) => item.urgency === urgency),
      [
        { sizeOf: (item) => item.operations, max: operations },
        { sizeOf: (item) => item.bytes, max: bytes },
      ],
    );
    const taken = new Set(group);
    this.#waiting = this.#waiting.filter((item) => !taken.has(item));
    return [...group];
  }
}
