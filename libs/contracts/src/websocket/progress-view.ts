import { progressFigures } from '@bulk/domain';
import type { ActionFigures } from '../rest/schemas.ts';
import type { ActionProgress } from '../kafka/messages.ts';
import type { ActionUpdate } from './frames.ts';

/** The state of an action's counts, from any source. */
export type ProgressState = ActionProgress;

/** Returns the figures that REST (`/stats`) and the WebSocket (`actionUpdate`) show. */
export function toActionStats(state: ProgressState, now: Date): ActionFigures {
  const startedAt = dateOrNull(state.startedAt);
  const finishedAt = dateOrNull(state.finishedAt);
  const { total, success, failure, skipped, pausedMs } = state;
  // A paused action changes only by outcomes of batches that were in flight. It ran until the last of them.
  const pausedSince = state.status === 'paused' ? new Date(state.updatedAt) : null;
  const figures = progressFigures(
    { total, success, failure, skipped, startedAt, finishedAt, pausedSince, pausedMs },
    now,
  );
  return {
    actionId: state.actionId,
    status: state.status,
    total,
    processed: figures.processed,
    success,
    failure,
    skipped,
    percent: figures.percent,
    rate: figures.rate,
    startedAt: startedAt?.toISOString() ?? null,
    finishedAt: finishedAt?.toISOString() ?? null,
    eta: figures.eta?.toISOString() ?? null,
  };
}

export function toActionUpdate(state: ProgressState, now: Date): ActionUpdate {
  return {
    ...toActionStats(state, now),
    accountId: state.accountId,
    actionType: state.actionType,
    entityType: state.entityType,
    version: state.version,
  };
}

function dateOrNull(ms: number | null): Date | null {
  return ms === null ? null : new Date(ms);
}
