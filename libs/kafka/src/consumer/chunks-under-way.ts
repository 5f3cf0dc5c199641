/** A call of `process` that has not returned. */
export interface ChunkUnderWay {
  /** When its work started, in ms on the monotonic clock. */
  since: number;
  /** Resolves when it has returned. */
  readonly ended: Promise<void>;
  /** The assignment that it belongs to. */
  readonly owner: object;
}

/**
 * The chunks that this process works on, by partition, whichever membership they belong to.
 *
 * A chunk outlives its membership if it takes longer than the handover. The next owner of its partition in this process
 * waits for it, so that a partition is processed once at a time. A chunk that exceeds the maximum time is taken for
 * hanging, and its successor does not wait for it.
 */
export class ChunksUnderWay {
  readonly #maxMs: number;
  readonly #chunks = new Map<string, ChunkUnderWay>();

  constructor(maxMs: number) {
    this.#maxMs = maxMs;
  }

  /**
   * Records a chunk.
   *
   * @param owner the assignment that the chunk belongs to.
   * @returns `started`, to call when its work starts after a wait for its turn, and `ended`, to call at its end.
   */
  add(partition: string, owner: object): { readonly started: () => void; readonly ended: () => void } {
    let resolve = (): void => undefined;
    const ended = new Promise<void>((settle) => (resolve = settle));
    const chunk: ChunkUnderWay = { owner, since: performance.now(), ended };
    this.#chunks.set(partition, chunk);
    return {
      started: () => (chunk.since = performance.now()),
      ended: () => {
        if (this.#chunks.get(partition) === chunk) this.#chunks.delete(partition);
        resolve();
      },
    };
  }

  /** Returns the chunk of a partition that has to end first, and how long it may still take, in ms. */
  before(partition: string): (ChunkUnderWay & { readonly leftMs: number }) | undefined {
    const chunk = this.#chunks.get(partition);
    if (chunk === undefined) return undefined;
    const leftMs = chunk.since + this.#maxMs - performance.now();
    return leftMs < 0 ? undefined : { ...chunk, leftMs };
  }

  /** Returns the chunks of an assignment that have exceeded the maximum time. */
  hanging(owner: object): ChunkUnderWay[] {
    const until = performance.now() - this.#maxMs;
    return [...this.#chunks.values()].filter((chunk) => chunk.owner === owner && chunk.since < until);
  }
}
