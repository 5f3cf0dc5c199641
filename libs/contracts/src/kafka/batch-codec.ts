import type {
  ActionIdentity,
  Effect,
  Entity,
  EntityFault,
  Fields,
  PositionOutcome,
  RetryOverride,
} from '@bulk/domain';
import {
  boundedChanges,
  jsonObjectSchema,
  OUTCOME_CODES,
  retryOverrideSchema,
  success,
  type ChangesKept,
  type Outcome,
} from '@bulk/domain';
import { MalformedMessageError } from './malformed-message-error.ts';
import { FIRST_GENERATION } from './headers.ts';
import type { BatchEntity, BatchResult, BatchSource, EntityBatch } from './messages.ts';

/** A batch in the form that handler processes. */
export interface EntityBatchContent {
  readonly identity: ActionIdentity;
  readonly config: Fields;
  /** Whether the outcomes are only predicted, and nothing is changed. */
  readonly dryRun: boolean;
  /** Whether the rest of the action was given up before this batch was published, so that its positions are skipped. */
  readonly cancelled: boolean;
  /** Whether a cancelled batch was given up because too many positions of its action had failed. */
  readonly failed?: boolean;
  /** The parts of the retry policy that the action overrides; null if none. */
  readonly retry: RetryOverride | null;
  /** For a retry of an action: the first action of the chain, whose relative changes are not made again; else null. */
  readonly rootActionId: string | null;
  /** What the outcomes keep of the changes. */
  readonly changes: ChangesKept;
  readonly batchNo: number;
  readonly entities: readonly Entity[];
}

/** How a batch is processed. */
export type BatchMode = Pick<EntityBatchContent, 'dryRun' | 'cancelled' | 'retry'> &
  Partial<Pick<EntityBatchContent, 'failed' | 'rootActionId' | 'changes'>>;

const FOR_REAL: BatchMode = { dryRun: false, cancelled: false, retry: null };

/** An entity as it is staged. */
export type EncodedEntity = Omit<BatchEntity, 'fault' | 'origin'> & Partial<Pick<BatchEntity, 'fault'>>;

/** A batch in its staged form: its entities are already encoded. */
export interface EncodedBatch {
  readonly batchNo: number;
  readonly entities: readonly EncodedEntity[];
  /** For a retry: the position of each entity in the first action of its chain. */
  readonly origins?: readonly number[];
}

/**
 * The only field of an entity with a fault, in the form in which it is staged and published. It holds what was sent.
 *
 * Components of older versions ignore `fault`. No entity type has a field of this name and `delete` takes no field, so
 * their action types refuse the entity and change nothing.
 */
const FAULT_FIELD = '(fault)';

/** The fault of an entity whose `fault` an older intake did not pass on. */
const LOST_FAULT: EntityFault = {
  code: OUTCOME_CODES.INVALID_ENTITY,
  message:
    'the row has a fault, and an older version of intake did not pass on which one: retry the action to see it',
};

/**
 * Encodes entities in the form in which a message carries them. They are staged in this form, and the dispatch copies
 * them.
 */
export function encodeEntities(entities: readonly Entity[]): EncodedEntity[] {
  return entities.map(({ position, id, ref, fields, fault }) => ({
    position,
    id,
    ref,
    ...(fault === undefined
      ? { fields: JSON.stringify(fields) }
      : { fields: JSON.stringify({ [FAULT_FIELD]: fields }), fault }),
  }));
}

/**
 * Decodes an entity that was staged. @throws MalformedMessageError if `fields` is not a JSON object.
 *
 * @param origin the position that it tries again, in the first action of its chain of retries.
 */
export function decodeEntity(
  { position, id, ref, fields: text, fault: known }: EncodedEntity,
  origin?: number | null,
): Entity {
  const fields = jsonObject(text, `fields of position ${position}`);
  const sent = wrappedFields(fields);
  const fault = known ?? (sent === undefined ? undefined : LOST_FAULT);
  return {
    position,
    id,
    ref,
    fields: sent ?? fields,
    ...(fault === undefined ? {} : { fault }),
    ...(origin === undefined || origin === null ? {} : { origin }),
  };
}

/** Returns what was sent for an entity with a fault; undefined if the fields are not wrapped. */
function wrappedFields(fields: Fields): Fields | undefined {
  if (!Object.hasOwn(fields, FAULT_FIELD) || Object.keys(fields).length > 1) return undefined;
  return jsonObjectSchema.safeParse(fields[FAULT_FIELD]).data;
}

/** Returns the encoder of an action's batches. It encodes the shared parts of the batches once. */
export function entityBatchEncoder(
  { actionId, accountId, actionType, entityType, lane }: ActionIdentity,
  config: Fields,
  { dryRun, cancelled, failed = false, retry, rootActionId = null, changes = 'none' }: BatchMode = FOR_REAL,
): (batch: EncodedBatch) => EntityBatch {
  const shared = {
    actionId,
    accountId,
    actionType,
    entityType,
    lane,
    config: JSON.stringify(config),
    dryRun,
    cancelled,
    failed,
    retry: encodeRetry(retry),
    rootActionId,
    changes,
  };
  return ({ batchNo, entities, origins }) => ({
    ...shared,
    batchNo,
    entities: entities.map((entity, i) => ({
      ...entity,
      fault: entity.fault ?? null,
      origin: origins?.[i] ?? null,
    })),
  });
}

/**
 * Decodes a batch. @throws MalformedMessageError if `config` or an entity's `fields` is not a JSON object, or `retry`
 * is invalid.
 */
export function decodeEntityBatch(message: EntityBatch): EntityBatchContent {
  const { actionId, accountId, actionType, entityType, lane } = message;
  return {
    identity: { actionId, accountId, actionType, entityType, lane },
    config: jsonObject(message.config, 'config'),
    dryRun: message.dryRun,
    cancelled: message.cancelled,
    failed: message.failed,
    retry: message.retry === null ? null : decodeRetry(message.retry),
    rootActionId: message.rootActionId,
    changes: message.changes,
    batchNo: message.batchNo,
    entities: message.entities.map((entity) => decodeEntity(entity, entity.origin)),
  };
}

function encodeRetry(retry: RetryOverride | null): EntityBatch['retry'] {
  if (retry === null) return null;
  const { maxAttempts = null, initialDelayMs = null, maxDelayMs = null } = retry;
  return { maxAttempts, initialDelayMs, maxDelayMs };
}

function decodeRetry(retry: NonNullable<EntityBatch['retry']>): RetryOverride {
  const given = Object.entries(retry).filter(([, value]) => value !== null);
  const parsed = retryOverrideSchema.safeParse(Object.fromEntries(given));
  if (!parsed.success) throw new MalformedMessageError('retry is not a retry policy', parsed.error);
  return parsed.data;
}

/** Returns the id of a batch's result. Every repetition of the result has the same id. */
export function resultIdOf(actionId: string, batchNo: number): string {
  return `${actionId}:${batchNo}`;
}

/** An outcome, with the number of tries of the entity. */
export interface AttemptedOutcome extends PositionOutcome {
  readonly attempts: number;
}

/**
 * Encodes the result of a batch. Changes that exceed the bound of a batch are replaced by a mark.
 *
 * @param generation generation of the message that carried the batch.
 */
export function encodeBatchResult(
  batch: Pick<EntityBatchContent, 'identity' | 'batchNo'>,
  source: BatchSource,
  outcomes: readonly AttemptedOutcome[],
  processedAt: Date,
  generation: number = FIRST_GENERATION,
): BatchResult {
  const { actionId, accountId, actionType, entityType } = batch.identity;
  const changes = boundedChanges(outcomes.map(({ outcome }) => changesOf(outcome)));
  return {
    resultId: resultIdOf(actionId, batch.batchNo),
    actionId,
    accountId,
    actionType,
    entityType,
    batchNo: batch.batchNo,
    generation,
    source,
    outcomes: outcomes.map(({ position, entityId, ref, outcome, attempts }, i) => ({
      position,
      entityId,
      ref,
      status: outcome.status,
      code: outcome.code,
      message: outcome.message,
      attempts,
      ...encodeEffect(outcome),
      changes: changes[i] ?? null,
    })),
    processedAt: processedAt.getTime(),
  };
}

/** Decodes the outcomes of a result. @throws MalformedMessageError if a failure or skip has no code. */
export function decodeOutcomes(message: BatchResult): AttemptedOutcome[] {
  return message.outcomes.map(
    ({ position, entityId, ref, status, code, message: text, attempts, effect, version, changes }) => {
      const outcome: Outcome =
        status === 'success'
          ? success(
              effect === null || effect === 'other' ? undefined : effect,
              version ?? undefined,
              changes ?? undefined,
            )
          : { status, code: required(code, position), message: text ?? '' };
      return { position, entityId, ref, outcome, attempts };
    },
  );
}

/** What a success did to its entity, with null for what is unknown. */
export interface EncodedEffect {
  readonly effect: Effect | null;
  readonly version: number | null;
}

/** Returns the effect of an outcome as messages and answers show it. */
export function encodeEffect(outcome: Outcome): EncodedEffect {
  return outcome.status === 'success'
    ? { effect: outcome.effect ?? null, version: outcome.version ?? null }
    : NO_EFFECT;
}

/** Returns what an outcome keeps of its change. */
export function changesOf(outcome: Outcome): string | undefined {
  return outcome.status === 'success' ? outcome.changes : undefined;
}

const NO_EFFECT: EncodedEffect = Object.freeze({ effect: null, version: null });

function required(code: string | null, position: number): string {
  if (code === null) throw new MalformedMessageError(`the outcome of position ${position} has no code`);
  return code;
}

function jsonObject(text: string, what: string): Fields {
  try {
    return jsonObjectSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new MalformedMessageError(`${what} is not a JSON object`, cause);
  }
}
