import { z } from 'zod';
import { processed, type Tally } from './accounting.ts';
import { hasFailed, type FailureLimit } from './failure-limit.ts';
import { OUTCOME_CODES } from './outcome.ts';

/**
 * Declares the life of an action: its statuses, the transitions between them, and the rules that move an action. Every
 * other list of statuses (enums of the APIs, filters, gauges, the update pipelines in `@bulk/mongo`) is derived from
 * this table.
 *
 *     upload accepted
 *           │
 *           ▼     first window         first outcome            last outcome
 *        pending ─────────────▶ queued ─────────────▶ processing ───────────▶ completed
 *          │  ▲                 │  ▲                   │  ▲      ├───────────▶ cancelled  (cancelling has
 * pause │  │ resume    pause │  │ resume      pause │  │ resume│                        skipped a position)
 *          ▼  │                 ▼  │                   ▼  │      └───────────▶ failed     (too many failures)
 *        ┌──────────────────────── paused ──────────────────┐  last outcome
 *        └──────────────────────────────────────────────────┘──────────────▶ completed, cancelled or failed
 *
 * - An action without positions, whose filter matched nothing, is `completed` by its acceptance.
 * - An outcome may be counted before the dispatch is recorded, so `pending` may become `processing` or final at once.
 * - `cancel` changes no status but that of a paused action, which it resumes. The action ends with its last outcome.
 * - More failures than the action's limit tolerates pause the action, or skip its rest as `cancel` does. Then the
 *   action ends as `failed`, also if no position was left to skip.
 * - A final status never changes, whatever a replay does to the counts.
 *
 * `dispatch` says what the dispatch does in a status: `waiting` before its first window, `started` after it, `none`:
 * nothing is published. A status without a `next` is final. The order is that of the public enums.
 */
const LIFE = {
  pending: {
    dispatch: 'waiting',
    next: ['queued', 'processing', 'paused', 'completed', 'failed', 'cancelled'],
  },
  queued: { dispatch: 'started', next: ['processing', 'paused', 'completed', 'failed', 'cancelled'] },
  processing: { dispatch: 'started', next: ['paused', 'completed', 'failed', 'cancelled'] },
  paused: { dispatch: 'none', next: ['pending', 'queued', 'processing', 'completed', 'failed', 'cancelled'] },
  completed: { dispatch: 'none', next: [] },
  failed: { dispatch: 'none', next: [] },
  cancelled: { dispatch: 'none', next: [] },
} as const;

/** The properties of a status. */
interface StatusFacts {
  readonly dispatch: 'none' | 'waiting' | 'started';
  readonly next: readonly ActionStatus[];
}

export type ActionStatus = keyof typeof LIFE;

/** A status that never changes again. */
export type FinalStatus = {
  [S in ActionStatus]: (typeof LIFE)[S]['next'] extends readonly [] ? S : never;
}[ActionStatus];

/**
 * The stored status of an upload that is not accepted yet. No API shows it, and a janitor removes an abandoned upload.
 */
export const STAGING = 'staging' as const;

/** A status as it is stored. */
export type StoredStatus = ActionStatus | typeof STAGING;

const FACTS: Readonly<Record<ActionStatus, StatusFacts>> = LIFE;

export const ACTION_STATUSES = Object.keys(LIFE) as readonly ActionStatus[];
export const actionStatusSchema = z.enum(ACTION_STATUSES);

export const FINAL_STATUSES = ACTION_STATUSES.filter(isFinal);
export const UNFINISHED_STATUSES = ACTION_STATUSES.filter((status) => !isFinal(status));

/** Statuses in which an action's batches are published. */
export const DISPATCHED_STATUSES = ACTION_STATUSES.filter(isDispatched);

/** Those of `DISPATCHED_STATUSES` that an action has once its first batches are published. */
export const STARTED_STATUSES = ACTION_STATUSES.filter((status) => FACTS[status].dispatch === 'started');

/** Returns whether an action in this status can no longer change. */
export function isFinal(status: ActionStatus): status is FinalStatus {
  return FACTS[status].next.length === 0;
}

/** Returns whether an action is accepted, so that its account may see it. */
export function isAccepted(status: StoredStatus): status is ActionStatus {
  return status !== STAGING;
}

/** Returns whether the batches of an action in this status are published. */
export function isDispatched(status: ActionStatus): boolean {
  return FACTS[status].dispatch !== 'none';
}

/** Returns whether the transition from one status to another is allowed. */
export function mayBecome(from: ActionStatus, to: ActionStatus): boolean {
  return FACTS[from].next.includes(to);
}

/** The status that an upload gets when it is accepted. */
export const ACCEPTED_STATUS: ActionStatus = 'pending';

/** Returns the status of an action after a window of its batches is published. */
export function statusAfterPublication(status: ActionStatus): ActionStatus {
  return status === 'pending' ? 'queued' : status;
}

/**
 * How many positions of an action have an outcome, and what its failures mean. `failing` and `halted`: too many of some
 * have failed, so that the rest is skipped, or the action pauses. `all`, `cancelled` and `failed` mean all positions:
 * a cancellation skipped at least one, or too many have failed.
 */
export const OUTCOME_STAGES = ['none', 'some', 'failing', 'halted', 'all', 'cancelled', 'failed'] as const;
export type OutcomeStage = (typeof OUTCOME_STAGES)[number];

/**
 * Returns the stage of an action of which `sum` of `total` positions have an outcome.
 *
 * @param limit its failure limit, after these outcomes were judged.
 * @param cancelRequested whether its rest was given up, by a cancellation or by the limit.
 */
export function outcomeStage(
  sum: Tally,
  total: number,
  limit?: FailureLimit,
  cancelRequested = false,
): OutcomeStage {
  const done = processed(sum);
  if (done >= total) {
    if (hasFailed(limit)) return 'failed';
    return (sum.codes[OUTCOME_CODES.ACTION_CANCELLED] ?? 0) > 0 ? 'cancelled' : 'all';
  }
  if (done === 0) return 'none';
  if (hasFailed(limit)) return 'failing';
  return limit?.state === 'reached' && !cancelRequested ? 'halted' : 'some';
}

/**
 * Returns the status of an action after outcomes are counted. A final status stays. A paused action stays paused until
 * its last outcome, or until it fails. A cancellation that came too late to skip a position changes nothing.
 */
export function statusAfterOutcomes(status: ActionStatus, stage: OutcomeStage): ActionStatus {
  if (isFinal(status)) return status;
  switch (stage) {
    case 'none':
      return status;
    case 'some':
      return isDispatched(status) ? 'processing' : status;
    case 'failing':
      // As a cancellation does, so that the dispatch skips the rest.
      return 'processing';
    case 'halted':
      return 'paused';
    case 'all':
      return 'completed';
    case 'cancelled':
      return 'cancelled';
    case 'failed':
      return 'failed';
  }
}

/** The controls that a caller may apply to an action. */
export const CONTROLS = ['cancel', 'pause', 'resume'] as const;
export type Control = (typeof CONTROLS)[number];

interface ControlRule {
  /** The statuses in which the control changes an action, unless the action is being cancelled. */
  readonly from: readonly ActionStatus[];
  /**
   * Returns whether the action is already in the requested state. @param cancelling whether an unfinished action is
   * cancelled.
   */
  readonly isDone: (status: ActionStatus, cancelling: boolean) => boolean;
}

const CONTROL_RULES: Readonly<Record<Control, ControlRule>> = {
  cancel: {
    from: UNFINISHED_STATUSES,
    isDone: (status, cancelling) => status === 'cancelled' || cancelling,
  },
  pause: {
    from: DISPATCHED_STATUSES,
    isDone: (status) => status === 'paused',
  },
  resume: {
    from: ['paused'],
    isDone: (status, cancelling) => !isFinal(status) && status !== 'paused' && !cancelling,
  },
};

/** Returns the statuses in which a control changes an action, unless the action is being cancelled. */
export function controllableStatuses(control: Control): readonly ActionStatus[] {
  return CONTROL_RULES[control].from;
}

/**
 * Returns what a control does: it changes the action, the action is already in the requested state, or the control
 * conflicts with the action's status.
 *
 * @param cancelRequested whether the action was cancelled before, whether or not it has ended.
 */
export function judgeControl(
  control: Control,
  status: ActionStatus,
  cancelRequested: boolean,
): 'change' | 'done' | 'conflict' {
  const { from, isDone } = CONTROL_RULES[control];
  if (!cancelRequested && from.includes(status)) return 'change';
  return isDone(status, cancelRequested && !isFinal(status)) ? 'done' : 'conflict';
}

/** How far an action came: nothing was published, its first batch was published, or it has an outcome. */
export const MILESTONES = ['none', 'queued', 'started'] as const;
export type Milestone = (typeof MILESTONES)[number];

/** The status that an action would have if it had never been paused. */
const STATUS_AT: Readonly<Record<Milestone, ActionStatus>> = {
  none: 'pending',
  queued: 'queued',
  started: 'processing',
};

/** Returns the status of an action after a control changed it. */
export function statusAfterControl(control: Control, status: ActionStatus, reached: Milestone): ActionStatus {
  if (control === 'pause') return isDispatched(status) ? 'paused' : status;
  return status === 'paused' ? STATUS_AT[reached] : status;
}
