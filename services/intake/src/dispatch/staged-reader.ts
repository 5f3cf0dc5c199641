import { firstWithin } from '@bulk/domain';
import type { DispatchStore } from './dispatch-store.ts';
import { bytesOf, type StagedBatch, type WindowLimits } from './staged-batch.ts';

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
  /** Mean size of the batches of the last window, in bytes. */
  #batchBytes = 0;

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
    const window =
      this.#held.length === 0
        ? await this.#read(from, limits)
        : within(this.#held, limits, this.#options.extraBytes);
    this.#held = this.#held.slice(window.length);
    const bytes = window.reduce((sum, batch) => sum + bytesOf(batch) + this.#options.extraBytes, 0);
    this.#batchBytes = bytes / Math.max(1, window.length);
    return window;
  }

  /**
   * Starts to read the batches from `from` on, unless some of them are held, or batches like those
   * of the last window would not fit. Returns at once.
   */
  readAhead(from: number): void {
    const { store, actionId, batchCount, extraBytes } = this.#options;
    if (from >= batchCount || this.#held.length > 0 || this.#reading !== undefined) return;
    const batches = Math.min(AHEAD.batches, Math.floor(AHEAD.bytes / Math.max(1, this.#batchBytes)));
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

  /** Reads a window, and little beyond it if the batches are as large as the last ones. */
  #read(from: number, { batches, bytes }: WindowLimits): Promise<readonly StagedBatch[]> {
    const { store, actionId, extraBytes } = this.#options;
    const expected = Math.floor(bytes / Math.max(1, this.#batchBytes)) + 1;
    return store.readWindow(actionId, from, { batches: Math.min(batches, expected), bytes }, extraBytes);
  }
}

/** @param least number of batches that are returned whatever their size. */
function within(
  batches: readonly StagedBatch[],
  limits: WindowLimits,
  extraBytes: number,
  least = 1,
): readonly StagedBatch[] {
  const sizes = [
    { sizeOf: () => 1, max: limits.batches },
    { sizeOf: (batch: StagedBatch) => bytesOf(batch) + extraBytes, max: limits.bytes },
  ];
  return firstWithin(batches, sizes, least);
}
