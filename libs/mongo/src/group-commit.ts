import { firstWithin } from '@bulk/domain';

/** Work that becomes part of a group. */
export interface GroupItem {
  /** Work of a lower rank goes first; work of one rank in the order in which it came. */
  readonly rank: number;
  readonly operations: number;
  /** Approximate size on the wire. */
  readonly bytes: number;
}

export interface GroupLimits {
  /** Maximum number of groups under way at the same time. */
  readonly concurrency: number;
  /** Maximum number of operations of a group, unless its first item alone has more. */
  readonly operations: number;
  /** Maximum number of bytes of a group, unless its first item alone has more. */
  readonly bytes: number;
}

/**
 * Collects work and commits it in groups, in the order of its rank.
 *
 * A group holds the work of one turn of the event loop. While the maximum number of groups is under way, further work
 * waits and joins the next group. So nothing waits for a timer, and groups grow under load.
 */
export class GroupCommit<Item extends GroupItem> {
  readonly #limits: GroupLimits;
  readonly #commit: (group: readonly Item[]) => Promise<void>;
  #waiting: Item[] = [];
  #underWay = 0;
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
    if (this.#scheduled || this.#underWay >= this.#limits.concurrency) return;
    this.#scheduled = true;
    // Runs after everything that has arrived in this turn was processed.
    setImmediate(() => {
      this.#scheduled = false;
      while (this.#waiting.length > 0 && this.#underWay < this.#limits.concurrency) this.#start(this.#take());
    });
  }

  #start(group: readonly Item[]): void {
    this.#underWay += 1;
    void this.#commit(group).finally(() => {
      this.#underWay -= 1;
      if (this.#waiting.length > 0) this.#schedule();
    });
  }

  /** Removes the items of the next group from the front. */
  #take(): Item[] {
    const { operations, bytes } = this.#limits;
    const group = firstWithin(this.#waiting, [
      { sizeOf: (item) => item.operations, max: operations },
      { sizeOf: (item) => item.bytes, max: bytes },
    ]);
    return this.#waiting.splice(0, group.length);
  }
}
