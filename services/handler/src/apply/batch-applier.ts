import type { ActionContext, ActionRegistry, BulkActionHandler, EntityStore } from '@bulk/actions';
import type { AttemptedOutcome, EntityBatchContent } from '@bulk/contracts';
import {
  CodedError,
  failure,
  idempotencyTokenOf,
  OUTCOME_CODES,
  skipped,
  SupersededError,
  type Entity,
  type LanePosition,
  type Outcome,
} from '@bulk/domain';
import type { FirstPositions } from '@bulk/redis';
import { isTransient } from '@bulk/kafka';
import { splitDuplicates } from './duplicates.ts';

/** Thrown when an action type breaks its contract; a fault of its code that no retry mends. */
export class HandlerContractError extends CodedError {
  constructor(actionType: string, message: string) {
    super('HANDLER_CONTRACT', `action type ${actionType}: ${message}`);
  }
}

export interface BatchApplierOptions {
  readonly registry: ActionRegistry;
  readonly firstPositions: FirstPositions;
  readonly store: EntityStore;
  /** Foretells what `store` would answer, and writes nothing: what action types get in a dry run. */
  readonly dryRunStore: EntityStore;
  /** Entities at the same time where the action type has no `processBatch`. */
  readonly entityConcurrency: number;
  /** The try of a batch, from 1, in which its entities are processed one by one, to find the one that breaks it. */
  readonly maxAttempts: number;
  readonly now: () => Date;
}

/** A batch where it stands in its lane. */
export interface BatchAt {
  readonly content: EntityBatchContent;
  readonly at: LanePosition;
  /** Tries of this batch before this one. */
  readonly previousAttempts: number;
}

/**
 * Applies one batch: one outcome for each of its positions. At least once execution, exactly once effect: the same batch
 * at the same offset may be applied again and gives the outcomes of its first run (G2).
 *
 * Of a dry run the outcomes are foretold and nothing is written. A batch of an action that was cancelled before it was
 * published is not processed: each of its positions is skipped.
 */
export class BatchApplier {
  readonly #options: BatchApplierOptions;

  constructor(options: BatchApplierOptions) {
    this.#options = options;
  }

  /**
   * @returns the outcomes in order of position, or undefined for a second copy of a batch that was published twice: the
   * first copy, at a lower offset of the same partition, has reported them.
   * @throws SupersededError when a later owner of the partition is ahead: report nothing. A retryable CodedError when a
   * dependency failed; then any part of the batch may have been applied.
   */
  async apply({ content, at, previousAttempts }: BatchAt): Promise<AttemptedOutcome[] | undefined> {
    const { identity, batchNo, entities } = content;
    const claim = await this.#options.firstPositions.claim({
      actionId: identity.actionId,
      batchNo,
      partition: at.partition,
      offset: at.offset,
      entities,
    });
    if (claim.kind === 'published-twice') return undefined;
    const attempts = previousAttempts + 1;
    if (content.cancelled) return entities.map((entity) => attempted(entity, CANCELLED, attempts));
    const { firsts, duplicates } = splitDuplicates(entities, claim.first);
    const isolate = attempts >= this.#options.maxAttempts;
    const processed = await this.#process(content, at, firsts, isolate);
    return entities.map((entity) =>
      attempted(
        entity,
        duplicates.get(entity.position) ?? outcomeOf(processed, entity, identity.actionType),
        attempts,
      ),
    );
  }

  async #process(
    content: EntityBatchContent,
    at: LanePosition,
    entities: readonly Entity[],
    isolate: boolean,
  ): Promise<ReadonlyMap<number, Outcome>> {
    const { registry, store, dryRunStore, now } = this.#options;
    const { identity, config, dryRun } = content;
    const handler = registry.handler(identity.actionType);
    const context: ActionContext = {
      identity,
      entityType: registry.entityType(identity.entityType),
      at,
      store: dryRun ? dryRunStore : store,
      now: now(),
      dryRun,
      idempotencyToken: (position) => idempotencyTokenOf(identity.actionId, position),
    };
    if (entities.length === 0) return new Map();
    const outcomes =
      handler.processBatch === undefined || isolate
        ? await this.#processOneByOne(handler, entities, config, context)
        : await handler.processBatch(entities, config, context);
    if (outcomes.length !== entities.length) {
      throw new HandlerContractError(
        identity.actionType,
        `processBatch gave ${outcomes.length} outcomes for ${entities.length} entities`,
      );
    }
    return new Map(entities.map((entity, i) => [entity.position, outcomes[i] as Outcome]));
  }

  /** A fixed number of workers take one entity after the other. An error of one entity is that entity's failure (G6). */
  async #processOneByOne(
    handler: BulkActionHandler,
    entities: readonly Entity[],
    config: unknown,
    context: ActionContext,
  ): Promise<Outcome[]> {
    const outcomes = new Array<Outcome>(entities.length);
    const queue = entities.entries();
    const work = async (): Promise<void> => {
      for (const [i, entity] of queue) outcomes[i] = await processGuarded(handler, entity, config, context);
    };
    const workers = Math.min(this.#options.entityConcurrency, entities.length);
    await Promise.all(Array.from({ length: workers }, work));
    return outcomes;
  }
}

/** Whatever a position of a cancelled action was to be, also one that names its entity again. */
const CANCELLED = skipped(OUTCOME_CODES.ACTION_CANCELLED, 'the action was cancelled before it was its turn');

function attempted({ position, id, ref }: Entity, outcome: Outcome, attempts: number): AttemptedOutcome {
  return { position, entityId: id, ref, outcome, attempts };
}

/** @throws only what concerns the whole batch: a lost partition, a dependency that is away. */
async function processGuarded(
  handler: BulkActionHandler,
  entity: Entity,
  config: unknown,
  context: ActionContext,
): Promise<Outcome> {
  try {
    return await handler.processEntity(entity, config, context);
  } catch (error) {
    if (error instanceof SupersededError || isTransient(error)) throw error;
    return failure(OUTCOME_CODES.PROCESSING_ERROR, error instanceof Error ? error.message : String(error));
  }
}

function outcomeOf(outcomes: ReadonlyMap<number, Outcome>, entity: Entity, actionType: string): Outcome {
  const outcome = outcomes.get(entity.position);
  if (outcome === undefined)
    throw new HandlerContractError(actionType, `no outcome for position ${entity.position}`);
  return outcome;
}
