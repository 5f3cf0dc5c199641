import type { ActionProgress, ProgressState } from '@bulk/contracts';
import { actionStatusSchema } from '@bulk/domain';
import type { ActionDocument } from './documents.ts';

/** The part of an action's document from which its progress is read. */
export type ProgressDocument = Pick<
  ActionDocument,
  | '_id'
  | 'accountId'
  | 'actionType'
  | 'entityType'
  | 'version'
  | 'status'
  | 'total'
  | 'counts'
  | 'startedAt'
  | 'finishedAt'
  | 'updatedAt'
  | 'pausedMs'
>;

/** The projection that reads exactly a `ProgressDocument`. */
export const PROGRESS_PROJECTION = {
  accountId: 1,
  actionType: 1,
  entityType: 1,
  version: 1,
  status: 1,
  total: 1,
  counts: 1,
  startedAt: 1,
  finishedAt: 1,
  updatedAt: 1,
  pausedMs: 1,
} as const satisfies Record<Exclude<keyof ProgressDocument, '_id'>, 1>;

/**
 * Returns the state that stats, events and snapshots show.
 *
 * @throws ZodError for an action that is still `staging`: it must not be shown.
 */
export function progressStateOf(action: ProgressDocument): ProgressState {
  const { success, failure, skipped } = action.counts;
  return {
    actionId: action._id,
    accountId: action.accountId,
    actionType: action.actionType,
    entityType: action.entityType,
    version: action.version,
    status: actionStatusSchema.parse(action.status),
    total: action.total,
    success,
    failure,
    skipped,
    startedAt: action.startedAt?.getTime() ?? null,
    finishedAt: action.finishedAt?.getTime() ?? null,
    updatedAt: action.updatedAt.getTime(),
    pausedMs: action.pausedMs ?? 0,
  };
}

/** Returns the event with an action's state. @throws ZodError for an action that is still `staging`. */
export function progressEventOf(action: ProgressDocument): ActionProgress {
  return progressStateOf(action);
}
