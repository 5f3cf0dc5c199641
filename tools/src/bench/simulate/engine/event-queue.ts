/** An event that waits for its time. */
export interface Event {
  /** Virtual time, in ms. */
  readonly at: number;
  /** Rises with each event. Events of the same time keep the order in which they were added. */
  readonly order: number;
  readonly run: () => void;
  cancelled: boolean;
}

/** Events in the order of their time, as a binary heap. */
export class EventQueue {
  readonly #heap: Event[] = [];
  #added = 0;

  get size(): number {
    return this.#heap.length;
  }

  add(at: number, run: () => void): Event {
    const event: Event = { at, order: this.#added, run, cancelled: false };
    this.#added += 1;
    this.#heap.push(event);
    this.#rise(this.#heap.length - 1);
    return event;
  }

  /** Removes the first event and returns it; `undefined` if the queue is empty. */
  take(): Event | undefined {
    const first = this.#heap[0];
    const last = this.#heap.pop();
    if (first === undefined || last === undefined || first === last) return first;
    this.#heap[0] = last;
    this.#sink();
    return first;
  }

  #rise(from: number): void {
    for (let at = from; at > 0;) {
      const parent = (at - 1) >> 1;
      if (!this.#swapIfBefore(at, parent)) return;
      at = parent;
    }
  }

  #sink(): void {
    for (let at = 0; ;) {
      const [left, right] = [2 * at + 1, 2 * at + 2];
      const least = this.#isBefore(right, left) ? right : left;
      if (!this.#swapIfBefore(least, at)) return;
      at = least;
    }
  }

  #isBefore(a: number, b: number): boolean {
    const [one, other] = [this.#heap[a], this.#heap[b]];
    if (one === undefined || other === undefined) return false;
    return one.at < other.at || (one.at === other.at && one.order < other.order);
  }

  #swapIfBefore(child: number, parent: number): boolean {
    const [one, other] = [this.#heap[child], this.#heap[parent]];
    if (one === undefined || other === undefined || !this.#isBefore(child, parent)) return false;
    this.#heap[child] = other;
    this.#heap[parent] = one;
    return true;
  }
}
