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
    if (this.#scheduled || !this.#mayStart()) return;
    this.#scheduled = true;
    // Runs after everything that has arrived in this turn was processed.
    setImmediate(() => {
      this.#scheduled = false;
      while (this.#mayStart()) this.#start(this.#take());
    });
  }

  #mayStart(): boolean {
    const [first] = this.#waiting;
    if (first === undefined) return false;
    const { concurrency } = this.#limits;
    if (this.#underWay.length < concurrency) return true;
    return (
      this.#underWay.length === concurrency && this.#underWay.every((urgency) => first.urgency < urgency)
    );
  }

  #start(group: readonly Item[]): void {
    const urgency = group[0]?.urgency ?? 0;
    this.#underWay.push(urgency);
    void this.#commit(group).finally(() => {
      this.#underWay.splice(this.#underWay.indexOf(urgency), 1);
      this.#schedule();
    });
  }

  /** Removes the items of the next group from the front. */
  #take(): Item[] {
    const { operations, bytes } = this.#limits;
    const { urgency } = this.#waiting[0] ?? {};
    const others = this.#waiting.findIndex((item) => item.urgency !== urgency);
    const group = firstWithin(others < 0 ? this.#waiting : this.#waiting.slice(0, others), [
      { sizeOf: (item) => item.operations, max: operations },
      { sizeOf: (item) => item.bytes, max: bytes },
    ]);
    return this.#waiting.splice(0, group.length);
  }
}
