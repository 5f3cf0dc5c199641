import type { Tally } from '@bulk/domain';
import type { StoredStatus } from '@bulk/domain';

/** Records what is accounted for. Its functions never throw. */
export interface AccountRecorder {
  /** Records how long the logs and counts of a chunk took. */
  accounted(seconds: number): void;
  /**
   * Records that the counts of an action have changed.
   *
   * @param batches number of batches that had no outcome before.
   * @param tally parts of it are negative if a replay replaced outcomes.
   */
  counted(batches: number, tally: Tally): void;
  /** Records results that were counted, or dropped, before. */
  redelivered(results: number): void;
  /** Records results of batches that already have another result. */
  repeated(results: number): void;
  /** Records that an action of `total` entities has ended, and how long it took since it was accepted. */
  finished(status: StoredStatus, total: number, seconds: number): void;
}

export const NO_RECORDER: AccountRecorder = {
  accounted: () => undefined,
  counted: () => undefined,
  redelivered: () => undefined,
  repeated: () => undefined,
  finished: () => undefined,
};
