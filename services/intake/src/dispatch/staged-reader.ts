import type { DispatchStore, StagedBatch, WindowLimits } from './dispatch-store.ts';

/** What one read in advance holds at most. It bounds the memory that an action takes. */
const AHEAD: WindowLimits = { batches: 32, bytes: 262_144 };

export interface StagedReaderOptions {
  readonly store: Pick<DispatchStore, 'readWindow'>;
  readonly actionId: string;
  readonly batchCount: number;
  /** What each batch carries in addition to its entities, in bytes. */
  readonly extraBytes: number;
}

/**
 * Reads the staged batches of one action in order.
 *
 * While a window is sent, the reader fetches the batches that follow, so that the next window needs
 * no read of its own.
 */
export class StagedReader {
  readonly #options: StagedReaderOptions;
  #held: readonly StagedBatch[];
  #reading: Promise<void> | undefined;

  /** @param held batches that are known already, e.g. because this process has just staged them. */
  constructor(options: StagedReaderOptions, held: readonly StagedBatch[] = []) {
    this.#options = options;
    this.#held = held;
  }

  /**
   * Takes the batches from `from` on, within the limits. It takes fewer than possible if only some
   * of them are held.
   *
   * @throws StoreError.
   */
  async take(from: number, limits: WindowLimits): Promise<readonly StagedBatch[]> {
    await this.#reading;
    const first = this.#held.findIndex(({ batchNo }) => batchNo === from);
    this.#held = first < 0 ? [] : this.#held.slice(first);
    if (this.#held.length === 0) {
      const { store, actionId, extraBytes } = this.#options;
      return store.readWindow(actionId, from, limits, extraBytes);
    }
    const window = within(this.#held, limits, this.#options.extraBytes);
    this.#held = this.#held.slice(window.length);
    return window;
  }

  /**
   * Starts to read the batches that follow a window, unless some of them are held, or batches of
   * that size would not fit. Returns at once.
   *
   * @param window batches of which there is at least one.
   */
  readAhead(window: readonly StagedBatch[]): void {
    const { store, actionId, batchCount, extraBytes } = this.#options;
    const from = (window.at(-1)?.batchNo ?? batchCount) + 1;
    if (from >= batchCount || this.#held.length > 0 || this.#reading !== undefined) return;
    const bytes = window.reduce((sum, batch) => sum + bytesOf(batch) + extraBytes, 0);
    const batches = Math.min(AHEAD.batches, Math.floor((AHEAD.bytes * window.length) / Math.max(1, bytes)));
    if (batches === 0) return;
    const limits = { batches, bytes: AHEAD.bytes };
    this.#reading = store
      .readWindow(actionId, from, limits, extraBytes)
      .then(
        (read) => {
          // A batch that is larger than the limit is read again at its turn.
          this.#held = within(read, limits, extraBytes, 0);
        },
        // The read at the turn of these batches reports the fault.
        () => undefined,
      )
      .finally(() => (this.#reading = undefined));
  }
}

/** Returns the size of a batch's entities, in bytes. */
export function bytesOf({ entities }: StagedBatch): number {
  return entities.reduce(
    (sum, { id, ref, fields }) =>
      sum + Buffer.byteLength(fields) + Buffer.byteLength(id) + Buffer.byteLength(ref ?? ''),
    0,
  );
}

/** @param least number of batches that are returned whatever their size. */
function within(
  batches: readonly StagedBatch[],
  limits: WindowLimits,
  extraBytes: number,
  least = 1,
): readonly StagedBatch[] {
  let bytes = 0;
  const end = batches.findIndex((batch, i) => {
    bytes += bytesOf(batch) + extraBytes;
    return i >= least && (i >= limits.batches || bytes > limits.bytes);
  });
  return end < 0 ? batches : batches.slice(0, end);
}
