import {
  ACCEPTED_STATUS,
  ACTION_STATUSES,
  controllableStatuses,
  EMPTY_TALLY,
  FINAL_STATUSES,
  isFinal,
  NO_EFFECTS,
  OUTCOME_CODES,
  outcomeStage,
  processed,
  STAGING,
  statusAfterControl,
  statusAfterOutcomes,
  statusAfterPublication,
  type ActionStatus,
  type Control,
  type Counts,
  type EffectCounts,
  type Lease,
  type Milestone,
  type Tally,
} from '@bulk/domain';
import type { Document } from 'mongodb';
import type { ActionDocument, ResultSource } from '../documents.ts';
import { finishedAt, queuedAt, startedAt, updatedAt } from './action-times.ts';
import { WITH_DUE_AT, WITH_IN_FLIGHT, withBatchesCounted } from './dispatch-state.ts';
import {
  FAILING,
  HALTED,
  LIFTED_LIMIT,
  PROCESSED,
  withJudgedLimit,
  WITH_DUE_AT_IF_LIMITED,
} from './limit-updates.ts';

/*
 * Every write of an action's status, as update pipelines: the status depends on fields that the same update changes, or
 * that another process may have changed. The pure rules of `action-lifecycle.ts` in @bulk/domain define the transitions
 * once. The expressions here are generated from those rules, and a test compares both. Each pipeline ends with the
 * fields that are derived from the status (`dispatch.dueAt`, `dispatch.inFlight`).
 */

/** The filter of accepted actions. An upload is not an action for its account yet. */
export const ACCEPTED = { status: { $ne: STAGING } } as const;

/** Returns the initial state of an upload: nothing of it is accepted, dispatched or counted. */
export function stagedFields(
  now: Date,
): Omit<
  ActionDocument,
  | '_id'
  | 'accountId'
  | 'actionType'
  | 'entityType'
  | 'lane'
  | 'config'
  | 'dryRun'
  | 'retryOf'
  | 'scheduledFor'
> {
  return {
    status: STAGING,
    cancelRequestedAt: null,
    version: 0,
    total: 0,
    batchCount: 0,
    countedBatches: 0,
    counts: { success: 0, failure: 0, skipped: 0 },
    codes: {},
    effects: NO_EFFECTS,
    applied: {},
    dispatch: { nextBatch: 0, done: false, lease: null, firstPositions: true },
    createdAt: now,
    queuedAt: null,
    startedAt: null,
    finishedAt: null,
    updatedAt: now,
  };
}

/**
 * Returns the update that accepts an upload. An action without positions has all its outcomes, so it ends at once.
 *
 * @param digest digest of the request; undefined if the request has no idempotency key.
 */
export function acceptance(
  size: { readonly total: number; readonly batchCount: number },
  digest: string | undefined,
  now: Date,
): Document[] {
  const status = statusAfterOutcomes(ACCEPTED_STATUS, outcomeStage(EMPTY_TALLY, size.total));
  return [
    {
      $set: {
        status,
        ...(isFinal(status) ? { finishedAt: finishedAt(now), 'dispatch.done': true } : {}),
        ...size,
        updatedAt: now,
        version: NEXT_VERSION,
        ...(digest === undefined ? {} : { 'idempotency.digest': { $literal: digest } }),
      },
    },
    WITH_DUE_AT,
  ];
}

/** Returns the filter of the actions that a control changes. */
export function controllable(control: Control): {
  readonly status: { readonly $in: ActionStatus[] };
  readonly cancelRequestedAt: null;
} {
  return { status: { $in: [...controllableStatuses(control)] }, cancelRequestedAt: null };
}

/** Returns the update that cancels, pauses or resumes an action that `controllable` matches. */
export function controlled(control: Control, now: Date): Document[] {
  return [
    {
      $set: {
        status: byMilestone((reached) => moved((status) => statusAfterControl(control, status, reached))),
        ...(control === 'pause' ? {} : { pausedMs: pausedMs(now) }),
        ...(control === 'cancel' ? { cancelRequestedAt: now } : {}),
        ...(control === 'resume' ? { failureLimit: LIFTED_LIMIT } : {}),
        version: NEXT_VERSION,
        updatedAt: updatedAt(now),
      },
    },
    WITH_DUE_AT,
  ];
}

/** The batches of an action that are in Kafka, or skipped for good: all below `nextBatch`. */
export interface DispatchedBatches {
  readonly nextBatch: number;
  /** Whether these are all batches. */
  readonly done: boolean;
  /** The renewed lease of the instance that continues; ignored if `done`. */
  readonly lease: Lease;
}

/** Returns the update that records published batches. An earlier outcome may have changed the status already. */
export function published(batches: DispatchedBatches, now: Date): Document[] {
  const status = moved(statusAfterPublication);
  const moves = { $ne: ['$status', status] };
  return [
    {
      $set: {
        ...dispatchedFields(batches, now),
        version: { $cond: [moves, NEXT_VERSION, '$version'] },
        updatedAt: { $cond: [moves, updatedAt(now), '$updatedAt'] },
        status,
      },
    },
    WITH_DUE_AT,
    WITH_IN_FLIGHT,
  ];
}

/** Outcomes that are added to the counts of an action. */
export interface CountedOutcomes {
  /** Parts of the tally are negative if a replay replaced outcomes. */
  readonly tally: Tally;
  /** Number of batches that had no outcome before. */
  readonly batches: number;
  /** The source of the last of their logs. The action's counts are complete up to it (`applied`). */
  readonly upTo: ResultSource;
}

/** Returns a filter condition: the number of outcomes of `tally` does not exceed the rest of the action. */
export function fits(tally: Tally): Document {
  return { $expr: { $lte: [{ $add: [PROCESSED, processed(tally)] }, '$total'] } };
}

/**
 * Returns the update that adds outcomes to the counts of an action, judges its failures and moves its status. A final
 * status stays; `version` rises.
 *
 * @param settled batches that are no longer postponed.
 */
export function counted(outcomes: CountedOutcomes, settled: readonly number[], now: Date): Document[] {
  return [...withOutcomes(outcomes, now), ...withBatchesCounted(settled), WITH_DUE_AT_IF_LIMITED];
}

/**
 * Returns the update that counts the outcomes of batches that the dispatch skipped, and moves the dispatch past them.
 */
export function skipped(outcomes: CountedOutcomes, batches: DispatchedBatches, now: Date): Document[] {
  return [
    ...withOutcomes(outcomes, now),
    { $set: dispatchedFields(batches, now) },
    ...withBatchesCounted([]),
    WITH_DUE_AT,
  ];
}

/** The counts, the status and the times that an action should have. */
export interface RepairedAction {
  readonly counts: Counts;
  readonly codes: Tally['codes'];
  /** Absent if the action does not count effects. */
  readonly effects?: EffectCounts;
  /** Whether the failures exceed the limit, so that the action has failed. */
  readonly limitReached: boolean;
  readonly countedBatches: number;
  readonly status: ActionStatus;
  readonly startedAt: Date | null;
  readonly finishedAt: Date | null;
  readonly updatedAt: Date;
}

/** Returns the update that sets the counts and the status of an action to those of its logs. */
export function repaired({ codes, limitReached, ...fields }: RepairedAction): Document[] {
  const limit = limitReached ? { 'failureLimit.state': 'reached' } : {};
  return [
    { $set: { ...fields, ...limit, codes: { $literal: codes }, version: NEXT_VERSION } },
    WITH_DUE_AT,
    WITH_IN_FLIGHT,
  ];
}

const NEXT_VERSION = { $add: ['$version', 1] };

/** Returns the status that results from a pure rule, as an expression. */
function moved(rule: (status: ActionStatus) => ActionStatus): Document | string {
  const sources = new Map<ActionStatus, ActionStatus[]>();
  for (const status of ACTION_STATUSES) {
    const next = rule(status);
    if (next !== status) sources.set(next, [...(sources.get(next) ?? []), status]);
  }
  if (sources.size === 0) return '$status';
  const branches = [...sources].map(([next, from]) => ({ case: { $in: ['$status', from] }, then: next }));
  return { $switch: { branches, default: '$status' } };
}

/** Returns an expression that depends on the milestone that the action reached. */
function byMilestone(expressionAt: (reached: Milestone) => Document | string): Document {
  return {
    $switch: {
      branches: [
        { case: { $ne: ['$startedAt', null] }, then: expressionAt('started') },
        { case: { $ne: ['$queuedAt', null] }, then: expressionAt('queued') },
      ],
      default: expressionAt('none'),
    },
  };
}

/** Returns the total duration of an action's pauses once a pause ends. That of an action that is not paused stays. */
function pausedMs(now: Date): Document {
  // It ran until its last change: the pause, or the last outcome of batches that were in flight then.
  const stoodStill = { $subtract: [now.getTime(), { $toLong: { $max: ['$startedAt', '$updatedAt'] } }] };
  const counts = { $and: [{ $eq: ['$status', 'paused'] }, { $ne: ['$startedAt', null] }] };
  const before = { $ifNull: ['$pausedMs', 0] };
  return { $cond: [counts, { $add: [before, { $max: [0, stoodStill] }] }, before] };
}

function dispatchedFields({ nextBatch, done, lease }: DispatchedBatches, now: Date): Document {
  return {
    'dispatch.nextBatch': nextBatch,
    'dispatch.done': done,
    'dispatch.lease': done ? null : { $literal: lease },
    queuedAt: queuedAt(now),
  };
}

function withOutcomes({ tally, batches, upTo }: CountedOutcomes, now: Date): Document[] {
  const added = (field: string, n: number): Document => ({ $add: [{ $ifNull: [`$${field}`, 0] }, n] });
  const codes = Object.entries(tally.codes).map(([code, n]): [string, Document] => {
    const sum = added(`codes.${code}`, n);
    // A replay may reduce the count of a code to 0.
    return [`codes.${code}`, n > 0 ? sum : { $cond: [{ $eq: [sum, 0] }, '$$REMOVE', sum] }];
  });
  const isFinal = { $in: ['$status', FINAL_STATUSES] };
  const effects = Object.entries(tally.effects ?? {}).map(([effect, n]): [string, Document] => [
    effect,
    added(`effects.${effect}`, n),
  ]);
  const begun = { $gt: [PROCESSED, 0] };
  const complete = { $gte: [PROCESSED, '$total'] };
  const cancelled = { $gt: [{ $ifNull: [`$codes.${OUTCOME_CODES.ACTION_CANCELLED}`, 0] }, 0] };
  return [
    {
      $set: {
        'counts.success': added('counts.success', tally.success),
        'counts.failure': added('counts.failure', tally.failure),
        'counts.skipped': added('counts.skipped', tally.skipped),
        ...Object.fromEntries(codes),
        ...(effects.length === 0 ? {} : { effects: addedEffects(Object.fromEntries(effects)) }),
        countedBatches: added('countedBatches', batches),
        [`applied.${upTo.partition}`]: upTo.offset,
        version: NEXT_VERSION,
        updatedAt: updatedAt(now),
      },
    },
    withJudgedLimit(now),
    {
      $set: {
        startedAt: { $cond: [begun, startedAt(now), '$startedAt'] },
        finishedAt: { $cond: [{ $and: [complete, { $not: [isFinal] }] }, finishedAt(now), '$finishedAt'] },
        // The conditions of `outcomeStage`, as expressions of the database.
        status: {
          $switch: {
            branches: [
              {
                case: { $and: [complete, FAILING] },
                then: moved((s) => statusAfterOutcomes(s, 'failed')),
              },
              {
                case: { $and: [complete, cancelled] },
                then: moved((s) => statusAfterOutcomes(s, 'cancelled')),
              },
              { case: complete, then: moved((s) => statusAfterOutcomes(s, 'all')) },
              { case: { $and: [begun, FAILING] }, then: moved((s) => statusAfterOutcomes(s, 'failing')) },
              { case: { $and: [begun, HALTED] }, then: moved((s) => statusAfterOutcomes(s, 'halted')) },
              { case: begun, then: moved((s) => statusAfterOutcomes(s, 'some')) },
            ],
            default: moved((s) => statusAfterOutcomes(s, 'none')),
          },
        },
      },
    },
  ];
}

/** Adds to the effects of an action that counts them. An action of an older version never starts to. */
function addedEffects(added: Document): Document {
  const counts = { $eq: [{ $type: '$effects' }, 'object'] };
  return { $cond: [counts, { $mergeObjects: ['$effects', added] }, '$$REMOVE'] };
}
