import { isAccepted, isDispatched, type StopCause } from '@bulk/domain';
import {
  POSTPONED_BATCHES,
  STOP_PROJECTION,
  stopCauseOf,
  type ActionDocument,
  type DispatchState,
  type StoppableAction,
} from '@bulk/mongo';

/** The state of an action, as far as its dispatch needs it. */
export interface DispatchProgress {
  /** The holder of the lease; `null` if there is none. */
  readonly owner: string | null;
  /** Whether the action's batches are to be published: the action is neither paused nor ended. */
  readonly open: boolean;
  /** Why batches published from now on are skipped; `undefined` if they are not. */
  readonly stopCause: StopCause | undefined;
  /** Number of batches whose outcomes are counted. */
  readonly countedBatches: number;
  /** Number of batches that wait in a retry topic. */
  readonly postponed: number;
}

/** The fields of an action's document that `progressOf` needs. */
export type ProgressFields = Pick<ActionDocument, 'status' | 'countedBatches'> &
  StoppableAction & {
    readonly dispatch: Pick<DispatchState, 'lease'>;
  };

/** Projects those fields, and the number of postponed batches instead of the batches. */
export const PROGRESS = {
  status: 1,
  ...STOP_PROJECTION,
  countedBatches: 1,
  'dispatch.lease': 1,
  postponed: POSTPONED_BATCHES,
} as const;

/**
 * Derives the progress from an action's fields.
 *
 * @param postponed number of its batches in retry topics.
 */
export function progressOf(action: ProgressFields, postponed: number): DispatchProgress {
  return {
    owner: action.dispatch.lease?.owner ?? null,
    open: isAccepted(action.status) && isDispatched(action.status),
    stopCause: stopCauseOf(action),
    countedBatches: action.countedBatches,
    postponed,
  };
}

/** Derives the progress from a whole document. */
export function progressOfDocument(action: ActionDocument): DispatchProgress {
  return progressOf(action, action.dispatch.postponed?.length ?? 0);
}
