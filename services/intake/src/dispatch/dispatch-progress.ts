import { isAccepted, isDispatched } from '@bulk/domain';
import { POSTPONED_BATCHES, type ActionDocument, type DispatchState } from '@bulk/mongo';

/** How an action stands, as far as its dispatch is concerned. */
export interface DispatchProgress {
  /** Who has the lease; null: nobody. */
  readonly owner: string | null;
  /** Whether its batches are to be published: it is neither paused nor ended. */
  readonly open: boolean;
  /** Whether it is cancelled, so that what is published from now on is skipped. */
  readonly cancelled: boolean;
  /** Batches whose outcomes are counted. */
  readonly countedBatches: number;
  /** Batches that wait in a retry topic. */
  readonly postponed: number;
}

/** The fields of an action's document that `progressOf` needs. */
export type ProgressFields = Pick<ActionDocument, 'status' | 'cancelRequestedAt' | 'countedBatches'> & {
  readonly dispatch: Pick<DispatchState, 'lease'>;
};

/** Reads those fields, and the number of postponed batches instead of the batches. */
export const PROGRESS = {
  status: 1,
  cancelRequestedAt: 1,
  countedBatches: 1,
  'dispatch.lease': 1,
  postponed: POSTPONED_BATCHES,
} as const;

/** What the dispatch has to know of an action's document. @param postponed number of its batches in retry topics. */
export function progressOf(action: ProgressFields, postponed: number): DispatchProgress {
  return {
    owner: action.dispatch.lease?.owner ?? null,
    open: isAccepted(action.status) && isDispatched(action.status),
    cancelled: action.cancelRequestedAt !== null,
    countedBatches: action.countedBatches,
    postponed,
  };
}

/** The same of a whole document. */
export function progressOfDocument(action: ActionDocument): DispatchProgress {
  return progressOf(action, action.dispatch.postponed?.length ?? 0);
}
