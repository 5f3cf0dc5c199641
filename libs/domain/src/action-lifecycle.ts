import { z } from 'zod';
import { processed, type Tally } from './accounting.ts';
import { OUTCOME_CODES } from './outcome.ts';

/**
 * The life of an action: its statuses, which may follow which, and the rules that move it. Every other list of statuses
 * (enums of the APIs, filters, gauges, the update pipelines in `@bulk/mongo`) is derived from this table.
 *
 *     upload accepted
 *           │
 *           ▼     first window         first outcome            last outcome
 *        pending ─────────────▶ queued ─────────────▶ processing ───────────▶ completed
 *          │  ▲                 │  ▲                   │  ▲      └───────────▶ cancelled  (cancelling has
 *    pause │  │ resume    pause │  │ resume      pause │  │ resume                         skipped a position)
 *          ▼  │                 ▼  │                   ▼  │
 *        ┌──────────────────────── paused ──────────────────┐  last outcome
 *        └──────────────────────────────────────────────────┘──────────────▶ completed or cancelled
 *
 * - An outcome may be counted before the dispatch is recorded, so `pending` may become `processing` or final at once.
 * - `cancel` changes no status but that of a paused action, which it resumes. The action ends with its last outcome.
 * - `failed` is part of the public interface; no transition leads to it today.
 * - A final status never changes, whatever a replay does to the counts.
 *
 * `dispatch` says what the dispatch does in a status: `waiting` before its first window, `begun` after it, `none`: nothing
 * is published. A status without a `next` is final. The order is that of the public enums.
 */
const LIFE = {
  pending: { dispatch: 'waiting', next: ['queued', 'processing', 'paused', 'completed', 'cancelled'] },
  queued: { dispatch: 'begun', next: ['processing', 'paused', 'completed', 'cancelled'] },
  processing: { dispatch: 'begun', next: ['paused', 'completed', 'cancelled'] },
  paused: { dispatch: 'none', next: ['pending', 'queued', 'processing', 'completed', 'cancelled'] },
  completed: { dispatch: 'none', next: [] },
  failed: { dispatch: 'none', next: [] },
  cancelled: { dispatch: 'none', next: [] },
} as const;

/** What the platform knows of a status. */
interface StatusFacts {
  readonly dispatch: 'none' | 'waiting' | 'begun';
  readonly next: readonly ActionStatus[];
}

export type ActionStatus = keyof typeof LIFE;

/** A status that never changes again. */
export type FinalStatus = {
  [S in ActionStatus]: (typeof LIFE)[S]['next'] extends readonly [] ? S : never;
}[ActionStatus];

/** An upload that is not accepted yet: no API shows it, and a janitor removes one that was broken off. */
export const STAGING = 'staging' as const;

/** What is stored as the status of an action. */
export type StoredStatus = ActionStatus | typeof STAGING;

const FACTS: Readonly<Record<ActionStatus, StatusFacts>> = LIFE;

export const ACTION_STATUSES = Object.keys(LIFE) as readonly ActionStatus[];
export const actionStatusSchema = z.enum(ACTION_STATUSES);

export const FINAL_STATUSES = ACTION_STATUSES.filter(isFinal);
export const UNFINISHED_STATUSES = ACTION_STATUSES.filter((status) => !isFinal(status));

/** Statuses in which an action's batches are published. */
export const DISPATCHED_STATUSES = ACTION_STATUSES.filter(isDispatched);

/** Of these, those of an action whose first batches have been published. */
export const BEGUN_STATUSES = ACTION_STATUSES.filter((status) => FACTS[status].dispatch === 'begun');

/** Whether an action in this status can change no more. */
export function isFinal(status: ActionStatus): status is FinalStatus {
  return FACTS[status].next.length === 0;
}

/** Whether an action is more than an upload, so that its account may see it. */
export function isAccepted(status: StoredStatus): status is ActionStatus {
  return status !== STAGING;
}

/** Whether the batches of an action in this status are published. */
export function isDispatched(status: ActionStatus): boolean {
  return FACTS[status].dispatch !== 'none';
}

/** Whether a status may follow another one. */
export function mayBecome(from: ActionStatus, to: ActionStatus): boolean {
  return FACTS[from].next.includes(to);
}

/** The status of an upload that is accepted. */
export const ACCEPTED_STATUS: ActionStatus = 'pending';

/** The status of an action once a window of its batches is published. */
export function statusAfterPublication(status: ActionStatus): ActionStatus {
  return status === 'pending' ? 'queued' : status;
}

/** How far the outcomes of an action are: `cancelled` is `all`, where cancelling kept a position from being processed. */
export const OUTCOME_STAGES = ['none', 'some', 'all', 'cancelled'] as const;
export type OutcomeStage = (typeof OUTCOME_STAGES)[number];

/** How far an action is, once `sum` of its `total` positions have an outcome. */
export function outcomeStage(sum: Tally, total: number): OutcomeStage {
  const done = processed(sum);
  if (done >= total) return (sum.codes[OUTCOME_CODES.ACTION_CANCELLED] ?? 0) > 0 ? 'cancelled' : 'all';
  return done > 0 ? 'some' : 'none';
}

/**
 * The status of an action once outcomes are counted. A final status stays. A paused action stays paused until its last
 * outcome. A cancelling that came too late to skip a position changes nothing.
 */
export function statusAfterOutcomes(status: ActionStatus, stage: OutcomeStage): ActionStatus {
  if (isFinal(status)) return status;
  switch (stage) {
    case 'none':
      return status;
    case 'some':
      return isDispatched(status) ? 'processing' : status;
    case 'all':
      return 'completed';
    case 'cancelled':
      return 'cancelled';
  }
}

/** What a caller may ask of an action. */
export const CONTROLS = ['cancel', 'pause', 'resume'] as const;
export type Control = (typeof CONTROLS)[number];

interface ControlRule {
  /** Statuses of an action that the control changes, unless it is being cancelled. */
  readonly from: readonly ActionStatus[];
  /** Whether an action is already as it was asked to be. @param cancelling whether an unfinished action is cancelled. */
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

/** Statuses of an action that a control changes, unless the action is being cancelled. */
export function controllableStatuses(control: Control): readonly ActionStatus[] {
  return CONTROL_RULES[control].from;
}

/**
 * What a control comes to: it changes the action, the action is already as it was asked to be, or the control conflicts
 * with the action's status.
 *
 * @param cancelRequested whether the action was cancelled before, ended or not.
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

/** How far an action had come: nothing was published, its first batch was, or it has an outcome. */
export const MILESTONES = ['none', 'queued', 'started'] as const;
export type Milestone = (typeof MILESTONES)[number];

/** The status that an action would have, had it never been paused. */
const STATUS_AT: Readonly<Record<Milestone, ActionStatus>> = {
  none: 'pending',
  queued: 'queued',
  started: 'processing',
};

/** The status of an action that a control changes. */
export function statusAfterControl(control: Control, status: ActionStatus, reached: Milestone): ActionStatus {
  if (control === 'pause') return isDispatched(status) ? 'paused' : status;
  return status === 'paused' ? STATUS_AT[reached] : status;
}
