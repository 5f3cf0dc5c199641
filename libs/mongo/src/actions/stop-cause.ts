import { hasFailed, type StopCause } from '@bulk/domain';
import type { ActionDocument } from '../documents.ts';

/** The fields of an action from which the cause is derived, as a projection. */
export const STOP_PROJECTION = { cancelRequestedAt: 1, failureLimit: 1 } as const;

/** The fields of an action from which the cause is derived. */
export type StoppableAction = Pick<ActionDocument, keyof typeof STOP_PROJECTION>;

/**
 * Returns why the rest of an action was given up; undefined if it was not. The cause never changes: the first one
 * counts.
 */
export function stopCauseOf({ cancelRequestedAt, failureLimit }: StoppableAction): StopCause | undefined {
  if (cancelRequestedAt === null) return undefined;
  return hasFailed(failureLimit) ? 'failed' : 'cancelled';
}
