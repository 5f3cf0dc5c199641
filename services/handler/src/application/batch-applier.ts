import type {
  ActionContext,
  ActionRegistry,
  BulkActionHandler,
  EntityChange,
  EntityStore,
} from '@bulk/action-types';
import type { AttemptedOutcome, EntityBatchContent } from '@bulk/contracts';
import {
  CodedError,
  failure,
  idempotencyTokenOf,
  inexactNumbers,
  isOutcomeCode,
  leavesMark,
  OUTCOME_CODES,
  PermanentError,
  REST_OUTCOMES,
  SupersededError,
  type ChangesKept,
  type Entity,
  type EntityFault,
  type FieldIssue,
  type LanePosition,
  type Outcome,
  type RetryPolicy,
  type RetryRequest,
} from '@bulk/domain';
import type { FirstPositions } from '@bulk/redis';
import { type Logger, Places } from '@bulk/runtime';
import type { BatchProgress } from './batch-progress.ts';
import { splitDuplicates } from './duplicates.ts';
import { eachEntity, processGuarded } from './process-entity.ts';

/** Thrown when an action type breaks its contract. A retry does not help: its code is at fault. */
export class HandlerContractError extends CodedError {
  constructor(actionType: string, message: string) {
    super('HANDLER_CONTRACT', `action type ${actionType}: ${message}`);
  }
}

export interface BatchApplierOptions {
  readonly registry: ActionRegistry;
  readonly firstPositions: Pick<FirstPositions, 'claim'>;
  readonly store: EntityStore;
  /** Predicts the answers of `store` and writes nothing. Action types get it in a dry run. */
  readonly dryRunStore: EntityStore;
  /**
   * Maximum number of entities of a batch processed concurrently if the action type has no
   * `processBatch`.
   */
  readonly entityConcurrency: number;
  /** Maximum size of what one outcome keeps of a change, in bytes of its JSON. */
  readonly changesMaxBytes: number;
  readonly now: () => Date;
  readonly log: Pick<Logger, 'error'>;
}

/** A batch with its position in its lane. */
export interface BatchAt {
  readonly content: EntityBatchContent;
  readonly at: LanePosition;
  /** How often the batch was replayed from the dead letters. */
  readonly generation: number;
  readonly policy: RetryPolicy;
  /** Whether the batch comes from a retry topic, so that later batches may have overtaken it. */
  readonly overtaken: boolean;
  /** What earlier tries have settled. Each try adds to it. */
  readonly progress: BatchProgress;
  /**
   * Rejects if the batch's partition has another owner. Called before each write; absent if the
   * partition cannot be lost.
   *
   * An entity's fence holds without this check. The check is for changes that were refused, which
   * leave no fence: another lane may have made them possible while a handler stalled.
   */
  readonly confirmOwnership?: () => Promise<void>;
  /**
   * Bounds the entities that are processed one by one, over all batches that share it. Absent for a
   * batch that is applied alone.
   */
  readonly slots?: Places | undefined;
}

/**
 * The result of a try of a batch.
 *
 * `settled`: every position has its outcome. `waiting`: some entities have asked for another try.
 * `published-twice`: the batch is a second copy, and its first copy, at a lower offset of the same
 * partition, is reported.
 */
export type Applied =
  | { readonly kind: 'settled'; readonly outcomes: AttemptedOutcome[] }
  | { readonly kind: 'waiting' }
  | { readonly kind: 'published-twice' };

/**
 * Applies one batch and returns one outcome for each of its positions.
 *
 * Execution is at least once, the effect exactly once: the same batch at the same offset may be
 * applied again and gives the outcomes of its first run (G2). A replay has a new offset, so it is
 * applied after whatever has changed its entities meanwhile (G5).
 *
 * A dry run predicts its outcomes and writes nothing. If the rest of the action was given up before
 * the batch was published, the batch is not processed and each of its positions is skipped.
 */
export class BatchApplier {
  readonly #options: BatchApplierOptions;

  constructor(options: BatchApplierOptions) {
    this.#options = options;
  }

  /**
   * Tries the open positions of a batch once.
   *
   * @throws SupersededError if a later owner of the partition is ahead: report nothing. A retryable
   * CodedError if a dependency failed: any part of the batch may have been applied.
   */
  async apply(batch: BatchAt): Promise<Applied> {
    const { content, at, generation, progress } = batch;
    const { identity, batchNo, entities } = content;
    progress.attempts += 1;
    // A position with a fault changes no entity, so a later position of the same entity is not its duplicate.
    const sound = entities.filter(({ fault }) => fault === undefined);
    const claim = await this.#options.firstPositions.claim({
      actionId: identity.actionId,
      batchNo,
      partition: at.partition,
      offset: at.offset,
      generation,
      entities: sound,
    });
    if (claim.kind === 'published-twice') return claim;
    progress.claimed = true;
    if (content.cancelled) {
      const outcome = REST_OUTCOMES[content.failed === true ? 'failed' : 'cancelled'];
      return { kind: 'settled', outcomes: progress.outcomes(entities, outcome) };
    }
    for (const { position, fault } of entities)
      if (fault !== undefined) progress.settle(position, faultyOutcome(fault));
    const { firsts, duplicates } = splitDuplicates(sound, claim.first);
    for (const [position, outcome] of duplicates) progress.settle(position, outcome);
    for (const { position, fields } of firsts) {
      const issues = inexactNumbers(fields);
      if (issues.length > 0) progress.settle(position, inexact(issues));
    }
    const open = firsts.filter(({ position }) => progress.isOpen(position));
    if (open.length > 0) await this.#process(batch, open);
    return progress.requests > 0
      ? { kind: 'waiting' }
      : { kind: 'settled', outcomes: progress.outcomes(entities, NO_OUTCOME) };
  }

  async #process(
    { content, at, policy, progress, overtaken, confirmOwnership, slots }: BatchAt,
    open: readonly Entity[],
  ): Promise<void> {
    const { registry, store, dryRunStore, now, entityConcurrency, changesMaxBytes } = this.#options;
    const { identity, config, dryRun, rootActionId, changes } = content;
    const entityStore = dryRun ? dryRunStore : ownedStore(store, confirmOwnership);
    const chained = chainedStore(entityStore, rootActionId, open);
    const handler = registry.handler(identity.actionType);
    const context: ActionContext = {
      identity,
      entityType: registry.entityType(identity.entityType),
      at,
      store: keepingStore(chained, changes, changesMaxBytes),
      now: now(),
      dryRun,
      idempotencyToken: (position) => idempotencyTokenOf(identity.actionId, position),
    };
    const take = (position: number, answer: Outcome | RetryRequest): void =>
      progress.take(position, answer, policy.maxAttempts);
    progress.isolated ||= progress.faults + 1 >= policy.maxAttempts;
    if (handler.processBatch !== undefined && !progress.isolated) {
      const answers = await processTogether(handler, open, config, context, progress, overtaken);
      if (answers !== undefined) {
        open.forEach(({ position }, i) => take(position, answers[i] ?? NO_OUTCOME));
        return;
      }
    }
    const faults: { error: unknown; position: number }[] = [];
    await eachEntity(open, entityConcurrency, slots ?? new Places(entityConcurrency), async (entity) =>
      take(
        entity.position,
        await processGuarded(handler, entity, config, context, overtaken, (error, { position }) =>
          faults.push({ error, position }),
        ),
      ),
    ).finally(() => this.#logFaults(content, faults));
  }

  /**
   * Logs one line per try of a batch, because what fails for one entity may fail for all of them.
   */
  #logFaults(
    { identity, batchNo }: EntityBatchContent,
    [first, ...rest]: readonly { error: unknown; position: number }[],
  ): void {
    if (first === undefined) return;
    const { actionId, actionType } = identity;
    const { position, error } = first;
    this.#options.log.error(
      { actionId, actionType, batchNo, position, others: rest.length, err: error },
      'Entity failed unexpectedly',
    );
  }
}

/**
 * Processes all entities in one call of the action type.
 *
 * @returns `undefined` if the batch must be applied entity by entity from now on, because one of
 * its entities always fails.
 */
async function processTogether(
  handler: BulkActionHandler,
  entities: readonly Entity[],
  config: unknown,
  context: ActionContext,
  progress: BatchProgress,
  overtaken: boolean,
): Promise<(Outcome | RetryRequest)[] | undefined> {
  const { actionType } = handler;
  try {
    const answers = (await handler.processBatch?.(entities, config, context)) ?? [];
    if (answers.length === entities.length) return answers;
    throw new HandlerContractError(
      actionType,
      `processBatch gave ${answers.length} outcomes for ${entities.length} entities`,
    );
  } catch (error) {
    const superseded = overtaken && error instanceof SupersededError;
    if (!superseded && !(error instanceof PermanentError)) throw error;
    progress.isolated = true;
    return undefined;
  }
}

/** Never returned: every open entity has been answered. */
const NO_OUTCOME = failure(OUTCOME_CODES.PROCESSING_ERROR, 'no outcome');

/** The outcome of a position whose fault intake has found. */
function faultyOutcome({ code, message }: EntityFault): Outcome {
  return failure(isOutcomeCode(code) ? code : OUTCOME_CODES.INVALID_ENTITY, message);
}

/**
 * The outcome of an inexact number. Stored as the nearest double, it would differ from the number
 * that the caller sent.
 */
function inexact(issues: readonly FieldIssue[]): Outcome {
  const faults = issues.map(({ field, message }) => `${field}: ${message}`);
  return failure(OUTCOME_CODES.INVALID_ENTITY, faults.join('; '));
}

/** Wraps a store so that it writes only while this process owns the batch's partition. */
function ownedStore(store: EntityStore, confirmOwnership: BatchAt['confirmOwnership']): EntityStore {
  if (confirmOwnership === undefined) return store;
  return {
    write: async (scope, changes) => {
      await confirmOwnership();
      return store.write({ ...scope, confirmOwnership }, changes);
    },
  };
}

/**
 * Wraps a store so that an action and its retries share their marks, and each mark names the position that asked for the
 * change. An older intake does not say which positions a retry tries again.
 */
function chainedStore(
  store: EntityStore,
  rootActionId: string | null,
  entities: readonly Entity[],
): EntityStore {
  const positions = new Map(
    entities.map(({ id, position, origin }) => [id, rootActionId === null ? position : origin]),
  );
  const positioned = (change: EntityChange): EntityChange => {
    const position = leavesMark(change) ? positions.get(change.entityId) : undefined;
    return position === undefined ? change : { ...change, position };
  };
  return {
    write: (scope, changes) => {
      const isChained = rootActionId !== null && scope.actionId !== undefined;
      return store.write(isChained ? { ...scope, actionId: rootActionId } : scope, changes.map(positioned));
    },
  };
}

/** Wraps a store so that its results keep of the changes what the action asks for. */
function keepingStore(store: EntityStore, kept: ChangesKept, maxBytes: number): EntityStore {
  if (kept === 'none') return store;
  return { write: (scope, changes) => store.write({ ...scope, changes: { kept, maxBytes } }, changes) };
}
