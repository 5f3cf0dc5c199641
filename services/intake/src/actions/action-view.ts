import type { ActionView } from '@bulk/contracts';
import { actionStatusSchema, isFinal, maxFailuresOf, progressFigures, reasonOf } from '@bulk/domain';
import { stopCauseOf } from '@bulk/mongo';
import { toCallbackView } from '../webhooks/callback.ts';
import type { AccountAction } from './action-store.ts';

/** Builds the view of an action that the API shows. */
export function toActionView(action: AccountAction): ActionView {
  const { total, counts, effects = null, failureLimit, startedAt, finishedAt } = action;
  const status = actionStatusSchema.parse(action.status);
  const figures = progressFigures(
    { ...counts, total, startedAt, finishedAt, pausedSince: null, pausedMs: 0 },
    action.updatedAt,
  );
  return {
    actionId: action._id,
    accountId: action.accountId,
    actionType: action.actionType,
    entityType: action.entityType,
    priority: action.lane,
    config: { ...action.config },
    filter: action.filter === undefined ? null : { ...action.filter },
    filterPlan: action.filterPlan ?? null,
    dryRun: action.dryRun,
    matchBy: action.matchBy ?? null,
    retry: action.retry ?? null,
    retryOf: action.retryOf,
    changes: action.changes ?? 'none',
    undoOf: action.undoOf ?? null,
    ...(action.leftOut === undefined ? {} : { leftOut: { ...action.leftOut } }),
    callbackUrl: action.callback?.url ?? null,
    callback: action.callback === undefined ? null : toCallbackView(action.callback),
    maxFailures: failureLimit === undefined ? null : maxFailuresOf(failureLimit),
    onMaxFailures: failureLimit?.then ?? null,
    status,
    reason: reasonOf(failureLimit, status === 'paused'),
    cancelling: stopCauseOf(action) === 'cancelled' && !isFinal(status),
    total,
    processed: figures.processed,
    ...counts,
    percent: figures.percent,
    effects,
    scheduledFor: iso(action.scheduledFor),
    createdAt: action.createdAt.toISOString(),
    queuedAt: iso(action.queuedAt),
    startedAt: iso(startedAt),
    finishedAt: iso(finishedAt),
  };
}

function iso(date: Date | null): string | null {
  return date?.toISOString() ?? null;
}
