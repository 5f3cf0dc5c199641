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
    let count = 0;
    let operations = 0;
    let bytes = 0;
    for (const item of this.#waiting) {
      operations += item.operations;
      bytes += item.bytes;
      if (count > 0 && (operations > this.#limits.operations || bytes > this.#limits.bytes)) break;
      count += 1;
    }
    return this.#waiting.splice(0, count);
  }
}
