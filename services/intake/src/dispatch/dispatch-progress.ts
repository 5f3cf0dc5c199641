import type { ActionDocument, StoredStatus } from '@bulk/mongo';

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
}

/** The fields of an action's document that `progressOf` needs. */
export const PROGRESS = { status: 1, cancelRequestedAt: 1, countedBatches: 1, 'dispatch.lease': 1 } as const;

/** Statuses in which an action's batches are published. */
export const DISPATCHED: readonly StoredStatus[] = ['pending', 'queued', 'processing'];

/** What the dispatch has to know of an action's document. */
export function progressOf(
  action: Pick<ActionDocument, 'status' | 'cancelRequestedAt' | 'countedBatches' | 'dispatch'>,
): DispatchProgress {
  return {
    owner: action.dispatch.lease?.owner ?? null,
    open: DISPATCHED.includes(action.status),
    cancelled: action.cancelRequestedAt !== null,
    countedBatches: action.countedBatches,
  };
}
