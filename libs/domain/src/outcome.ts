import { z } from 'zod';

export const OUTCOME_STATUSES = ['success', 'failure', 'skipped'] as const;
export const outcomeStatusSchema = z.enum(OUTCOME_STATUSES);
export type OutcomeStatus = z.infer<typeof outcomeStatusSchema>;

/** What a success did to its entity. */
export const EFFECTS = ['created', 'updated', 'unchanged', 'deleted'] as const;
export const effectSchema = z.enum(EFFECTS);
export type Effect = z.infer<typeof effectSchema>;

/** Codes that the engine itself gives. An action type may give codes of its own, in the same form. */
export const OUTCOME_CODES = {
  /** The row of a file is no entity: a wrong number of cells, no valid id, not JSON, too large. */
  INVALID_ROW: 'INVALID_ROW',
  /** No entity of this id in this account. */
  ENTITY_NOT_FOUND: 'ENTITY_NOT_FOUND',
  /** More than one entity has the value by which `matchBy` finds the entity of a row. */
  AMBIGUOUS_MATCH: 'AMBIGUOUS_MATCH',
  /** The entity to create exists already. */
  ENTITY_EXISTS: 'ENTITY_EXISTS',
  /** The entity does not have the version that the caller expects (`expectedVersion`). */
  VERSION_CONFLICT: 'VERSION_CONFLICT',
  /** A field is unknown, of the wrong type or out of range; there is nothing to change; the database refuses it. */
  INVALID_ENTITY: 'INVALID_ENTITY',
  /** The same entity was named at an earlier position of this action. */
  DUPLICATE_ENTITY: 'DUPLICATE_ENTITY',
  /** A unique value (an index of the entity's collection) belongs to another entity. */
  UNIQUE_VIOLATION: 'UNIQUE_VIOLATION',
  /** Its action was cancelled before the entity was processed. */
  ACTION_CANCELLED: 'ACTION_CANCELLED',
  /** Too many positions of its action had failed before the entity was processed. */
  ACTION_FAILED: 'ACTION_FAILED',
  /** The entity was tried as often as its action's retry policy allows. */
  RETRIES_EXHAUSTED: 'RETRIES_EXHAUSTED',
  /** A later action changed the entity while this one waited for another try. The later action takes precedence. */
  SUPERSEDED: 'SUPERSEDED',
  /** The action type's code failed on this entity in an unexpected way. */
  PROCESSING_ERROR: 'PROCESSING_ERROR',
  /** The message that carried this entity could not be processed and is in the dead letters. */
  DEAD_LETTERED: 'DEAD_LETTERED',
  /** An undo found the record without the version that the action had left. */
  CHANGED_SINCE: 'CHANGED_SINCE',
  /** An undo cannot put a record back, because the values before the change were too large to keep. */
  CHANGES_TRUNCATED: 'CHANGES_TRUNCATED',
  /** An undo cannot put a record back, because nothing was kept of its change. */
  CHANGES_NOT_KEPT: 'CHANGES_NOT_KEPT',
  /** Its outcome was lost with Kafka and Redis, and an operator has accepted that: it was changed once or not at all. */
  OUTCOME_UNKNOWN: 'OUTCOME_UNKNOWN',
} as const;

/** The codes of the engine that belong to skips. Its other codes belong to failures. */
export const SKIP_CODES: ReadonlySet<string> = new Set([
  OUTCOME_CODES.DUPLICATE_ENTITY,
  OUTCOME_CODES.ACTION_CANCELLED,
  OUTCOME_CODES.ACTION_FAILED,
]);

/** Returns whether outcomes of a status can have a code. An action type may give codes of its own to both kinds. */
export function isCodeOf(status: OutcomeStatus, code: string): boolean {
  if (status === 'success') return false;
  return !Object.hasOwn(OUTCOME_CODES, code) || SKIP_CODES.has(code) === (status === 'skipped');
}

const OUTCOME_CODE = /^[A-Z][A-Z0-9_]{0,63}$/;

/** The form of an outcome code. It contains no `.` or `$`, so that it can be a key of a MongoDB document. */
export const outcomeCodeSchema = z.string().regex(OUTCOME_CODE);

/** Returns whether a text has the form of an outcome code. It allocates nothing, unlike the schema. */
export function isOutcomeCode(text: string): boolean {
  return OUTCOME_CODE.test(text);
}

/** The outcome of an entity that was processed. */
export interface Success {
  readonly status: 'success';
  readonly code: null;
  readonly message: null;
  /** What was done to the entity; absent if the action type does not say. */
  readonly effect?: Effect;
  /** The version that the action left; absent if it is unknown. */
  readonly version?: number;
  /** What the action keeps of the change, as the JSON of `EntityChanges`; absent if it keeps nothing. */
  readonly changes?: string;
}

/** The outcome of one entity. A success has no code; a failure or a skip always has one. */
export type Outcome =
  Success | { readonly status: 'failure' | 'skipped'; readonly code: string; readonly message: string };

/** Longest outcome message that is kept, in UTF-16 units, so that logs of a million failures stay bounded. */
export const MAX_OUTCOME_MESSAGE_LENGTH = 500;

const SUCCESS: Success = Object.freeze({ status: 'success', code: null, message: null });

/** The successes without a version, which most outcomes are. */
const SUCCESSES: Readonly<Record<Effect, Success>> = Object.freeze(
  Object.fromEntries(EFFECTS.map((effect) => [effect, Object.freeze({ ...SUCCESS, effect })])) as Record<
    Effect,
    Success
  >,
);

/**
 * Returns a success.
 *
 * @param effect what was done to the entity, if it is known.
 * @param version the version that the action left, if it is known.
 * @param changes what the action keeps of the change, as the JSON of `EntityChanges`.
 */
export function success(effect?: Effect, version?: number, changes?: string): Success {
  const base = effect === undefined ? SUCCESS : SUCCESSES[effect];
  if (changes !== undefined) return { ...base, ...(version === undefined ? {} : { version }), changes };
  return version === undefined ? base : { ...base, version };
}

export function failure(code: string, message: string): Outcome {
  return { status: 'failure', code, message: clip(message) };
}

export function skipped(code: string, message: string): Outcome {
  return { status: 'skipped', code, message: clip(message) };
}

/** The outcome of every unprocessed position of a cancelled action, also of one that names its entity again. */
export const CANCELLED_OUTCOME: Outcome = Object.freeze(
  skipped(OUTCOME_CODES.ACTION_CANCELLED, 'the action was cancelled before it was its turn'),
);

/** The outcome of every unprocessed position of an action of which too many positions have failed. */
export const FAILED_OUTCOME: Outcome = Object.freeze(
  skipped(OUTCOME_CODES.ACTION_FAILED, 'too many entities of the action had failed before it was its turn'),
);

/** Why the rest of an action was given up: a caller has cancelled the action, or too many positions have failed. */
export type StopCause = 'cancelled' | 'failed';

/** The outcome of each position that is skipped because the rest of its action was given up. */
export const REST_OUTCOMES: Readonly<Record<StopCause, Outcome>> = Object.freeze({
  cancelled: CANCELLED_OUTCOME,
  failed: FAILED_OUTCOME,
});

/** The outcome of a position whose entity may have been changed, when nothing is left that says so. */
export const UNKNOWN_OUTCOME: Outcome = Object.freeze(
  failure(
    OUTCOME_CODES.OUTCOME_UNKNOWN,
    'the outcome was lost in an outage; the action has changed this entity once or not at all',
  ),
);

function clip(message: string): string {
  return message.length <= MAX_OUTCOME_MESSAGE_LENGTH
    ? message
    : `${message.slice(0, MAX_OUTCOME_MESSAGE_LENGTH - 1)}…`;
}

/** The outcome of one position, with the identity by which the caller knows the entity. */
export interface PositionOutcome {
  readonly position: number;
  readonly entityId: string;
  readonly ref: string | null;
  readonly outcome: Outcome;
}

/** Requests another try of an entity, in place of an outcome. */
export interface RetryRequest {
  readonly status: 'retry';
  /** The reason. It becomes the message of the failure if no further try is left. */
  readonly message: string;
}

/**
 * Requests another try of one entity. Use it for an entity of a batch, where throwing a RetryableError concerns the
 * whole batch.
 */
export function retryLater(message: string): RetryRequest {
  return { status: 'retry', message: clip(message) };
}
