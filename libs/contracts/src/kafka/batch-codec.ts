import type { ActionIdentity, Entity, Fields, PositionOutcome, RetryOverride } from '@bulk/domain';
import { jsonObjectSchema, retryOverrideSchema, success, type Outcome } from '@bulk/domain';
import { MalformedMessageError } from './malformed-message-error.ts';
import { FIRST_GENERATION } from './headers.ts';
import type { BatchEntity, BatchResult, BatchSource, EntityBatch } from './messages.ts';

/** A batch as the handler works on it. */
export interface EntityBatchContent {
  readonly identity: ActionIdentity;
  readonly config: Fields;
  /** Outcomes are foretold, nothing is changed. */
  readonly dryRun: boolean;
  /** The action was cancelled before this batch was published: its positions are skipped. */
  readonly cancelled: boolean;
  /** What of the retry policy the action sets of its own; null: nothing. */
  readonly retry: RetryOverride | null;
  readonly batchNo: number;
  readonly entities: readonly Entity[];
}

/** How a batch is to be processed. */
export type BatchMode = Pick<EntityBatchContent, 'dryRun' | 'cancelled' | 'retry'>;

const FOR_REAL: BatchMode = { dryRun: false, cancelled: false, retry: null };

/** A batch as it is staged: its entities are encoded already. */
export interface EncodedBatch {
  readonly batchNo: number;
  readonly entities: readonly BatchEntity[];
}

/** Encodes entities as a message carries them. They are staged in this form, and the dispatch copies them. */
export function encodeEntities(entities: readonly Entity[]): BatchEntity[] {
  return entities.map(({ position, id, ref, fields }) => ({
    position,
    id,
    ref,
    fields: JSON.stringify(fields),
  }));
}

/** Returns the encoder of an action's batches. It encodes what the batches share once. */
export function entityBatchEncoder(
  { actionId, accountId, actionType, entityType, lane }: ActionIdentity,
  config: Fields,
  { dryRun, cancelled, retry }: BatchMode = FOR_REAL,
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
    retry: encodeRetry(retry),
  };
  return ({ batchNo, entities }) => ({ ...shared, batchNo, entities: [...entities] });
}

/** @throws MalformedMessageError when `config` or an entity's `fields` is not a JSON object, or `retry` is no policy. */
export function decodeEntityBatch(message: EntityBatch): EntityBatchContent {
  const { actionId, accountId, actionType, entityType, lane } = message;
  return {
    identity: { actionId, accountId, actionType, entityType, lane },
    config: jsonObject(message.config, 'config'),
    dryRun: message.dryRun,
    cancelled: message.cancelled,
    retry: message.retry === null ? null : decodeRetry(message.retry),
    batchNo: message.batchNo,
    entities: message.entities.map(({ position, id, ref, fields }) => ({
      position,
      id,
      ref,
      fields: jsonObject(fields, `fields of position ${position}`),
    })),
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

/** The id by which every repetition of a batch's result is recognised. */
export function resultIdOf(actionId: string, batchNo: number): string {
  return `${actionId}:${batchNo}`;
}

/** One outcome, with how often the entity was tried. */
export interface AttemptedOutcome extends PositionOutcome {
  readonly attempts: number;
}

/** @param generation of the message that carried the batch. */
export function encodeBatchResult(
  batch: Pick<EntityBatchContent, 'identity' | 'batchNo'>,
  source: BatchSource,
  outcomes: readonly AttemptedOutcome[],
  processedAt: Date,
  generation: number = FIRST_GENERATION,
): BatchResult {
  const { actionId, accountId, actionType, entityType } = batch.identity;
  return {
    resultId: resultIdOf(actionId, batch.batchNo),
    actionId,
    accountId,
    actionType,
    entityType,
    batchNo: batch.batchNo,
    generation,
    source,
    outcomes: outcomes.map(({ position, entityId, ref, outcome, attempts }) => ({
      position,
      entityId,
      ref,
      status: outcome.status,
      code: outcome.code,
      message: outcome.message,
      attempts,
    })),
    processedAt: processedAt.getTime(),
  };
}

/** @throws MalformedMessageError when a failure or skip carries no code. */
export function decodeOutcomes(message: BatchResult): AttemptedOutcome[] {
  return message.outcomes.map(({ position, entityId, ref, status, code, message: text, attempts }) => {
    const outcome: Outcome =
      status === 'success' ? success() : { status, code: required(code, position), message: text ?? '' };
    return { position, entityId, ref, outcome, attempts };
  });
}

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
