import { progressFigures } from '@bulk/domain';
import type { ActionStats } from '../rest/schemas.ts';
import type { ActionProgress } from '../kafka/messages.ts';
import type { ActionUpdate } from './frames.ts';

/** The state of an action's counts, wherever it was read. */
export type ProgressState = ActionProgress;

/** The figures that REST (`/stats`) and WebSocket (`actionUpdate`) both show. */
export function toActionStats(state: ProgressState, now: Date): ActionStats {
  const startedAt = dateOrNull(state.startedAt);
  const finishedAt = dateOrNull(state.finishedAt);
  const { total, success, failure, skipped, pausedMs } = state;
  // Of a paused action nothing changes but by outcomes of what was in flight: until the last of them it ran.
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
