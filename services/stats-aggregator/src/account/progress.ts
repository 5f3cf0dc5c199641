import type { ActionProgress } from '@bulk/contracts';
import { actionStatusSchema } from '@bulk/domain';
import type { CountedAction } from './action-counts.ts';

/** The event that tells an action's state. */
export function toProgress(action: CountedAction): ActionProgress {
  return {
    actionId: action._id,
    accountId: action.accountId,
    actionType: action.actionType,
    entityType: action.entityType,
    version: action.version,
    status: actionStatusSchema.parse(action.status),
    total: action.total,
    success: action.counts.success,
    failure: action.counts.failure,
    skipped: action.counts.skipped,
    startedAt: action.startedAt?.getTime() ?? null,
    finishedAt: action.finishedAt?.getTime() ?? null,
    updatedAt: action.updatedAt.getTime(),
  };
}
