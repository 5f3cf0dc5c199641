import type { Tally } from '@bulk/domain';
import type { StoredStatus } from '@bulk/domain';

/** Is told what is accounted for; its functions never throw. */
export interface AccountRecorder {
  /** Logs and counts of a chunk took so many seconds. */
  accounted(seconds: number): void;
  /**
   * The counts of an action have changed.
   *
   * @param batches that had no outcome before.
   * @param tally parts of it are negative where a replay replaced outcomes.
   */
  counted(batches: number, tally: Tally): void;
  /** Results that were counted, or dropped, before. */
  redelivered(results: number): void;
  /** Results of batches that have another result already. */
  repeated(results: number): void;
  /** An action has ended, so many seconds after it was accepted. */
  finished(status: StoredStatus, seconds: number): void;
}

export const NO_RECORDER: AccountRecorder = {
  accounted: () => undefined,
  counted: () => undefined,
  redelivered: () => undefined,
  repeated: () => undefined,
  finished: () => undefined,
};
