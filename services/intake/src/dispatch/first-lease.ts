import type { ActionDocument } from '@bulk/mongo';
import type { Document } from 'mongodb';
import type { StagedBatch } from './staged-batch.ts';

/**
 * A lease that an action gets with its acceptance, so that its dispatch needs no look for it.
 *
 * It holds a place of the dispatcher until `begin` or `cancel`.
 */
export interface FirstLease {
  /** The owner's name in the lease. */
  readonly owner: string;
  /** Stages of the update that accepts the action. They lease it. */
  readonly stages: readonly Document[];
  /**
   * Starts the dispatch of the accepted action. Returns at once; never throws.
   *
   * @param staged the staged batches from the first one on, as far as this process still holds
   * them.
   */
  begin(action: ActionDocument, staged: readonly StagedBatch[]): void;
  /** Gives the place back if the action was not accepted. Does nothing after `begin`. */
  cancel(): void;
}

/** The dispatch of actions that this process accepts. */
export interface DirectDispatch {
  /** Prepares for an action that may be accepted soon. Returns at once; never throws. */
  expect(): void;
  /** @returns `undefined` if other actions wait for a place. Then the action waits for its turn. */
  firstLease(): FirstLease | undefined;
}
