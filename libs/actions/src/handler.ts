import type {
  ActionIdentity,
  Entity,
  Fields,
  LanePosition,
  Outcome,
  RetryOverride,
  RetryRequest,
} from '@bulk/domain';
import type { z } from 'zod';
import type { EntityStore } from './entity-store.ts';
import type { EntityType } from './entity-type.ts';

/** What intake has of an action when it asks the action type to validate it. */
export interface ActionPayload {
  readonly entityType: EntityType;
  /** As the caller sent it. */
  readonly config: Fields;
}

/** What an action type works with while it processes a batch. */
export interface ActionContext {
  readonly identity: ActionIdentity;
  readonly entityType: EntityType;
  /** Where the batch stands in its lane. */
  readonly at: LanePosition;
  /** In a dry run, one that writes nothing and foretells the results. */
  readonly store: EntityStore;
  readonly now: Date;
  /** Whether outcomes are only foretold: an action type with side effects of its own must leave them out. */
  readonly dryRun: boolean;
  /**
   * The identity of one position's work, for side effects of an action type's own (a mail, a call of another system): the
   * same in every run of that position, so that whoever gets the effect a second time can tell. Processing is at least
   * once, and a handler that stalled may come late: no fence of ours reaches another system, its own check of the token
   * does.
   *
   * @param position of an entity of this batch.
   */
  idempotencyToken(position: number): string;
}

/**
 * An action type: what one bulk request does to each of its entities.
 *
 * Processing is at least once: after a crash the same batch comes again, so an effect must be recognisable as done
 * (`EntityStore` does that for entities). What is one entity's fault is returned as its outcome.
 *
 * Errors, all classed by `isRetryable` of @bulk/domain:
 * - of `processEntity`: a RetryableError, or a network fault of a call of one's own, has this entity tried again by the
 *   retry policy; any other retryable CodedError (a store that is away) has the batch tried again for as long as it takes;
 *   a PermanentError is the entity's failure with its code, anything else its failure `PROCESSING_ERROR`.
 * - of `processBatch`: whatever is retryable concerns the whole batch; `retryLater` asks for one entity. Anything else has
 *   the batch tried again a few times, a PermanentError at once, the last time entity by entity.
 */
export interface BulkActionHandler<Config = unknown> {
  readonly actionType: string;
  /** What of the retry policy is another one for this action type; an action's own goes before it. */
  readonly retry?: RetryOverride;
  /**
   * Called once, at intake, before anything is stored.
   *
   * @returns the config as it will be handed to `processEntity`.
   * @throws InvalidInputError naming each field at fault, e.g. `config.set.email`.
   */
  validatePayload(payload: ActionPayload): Promise<Config>;
  /** The schema of `config`, shown in the API's documentation. */
  getConfigSchema(): z.ZodType<Config>;
  /**
   * Which of these names of fields the action type can do nothing with, e.g. those of a CSV header. Without this method,
   * none is known to be of no use.
   */
  unknownFields?(names: readonly string[], entityType: EntityType): string[];
  /** Applies one entity. */
  processEntity(entity: Entity, config: Config, context: ActionContext): Promise<Outcome | RetryRequest>;
  /**
   * Applies a batch of different entities at once, where that beats one by one.
   *
   * @returns an outcome, or `retryLater`, for each entity, in the same order.
   */
  processBatch?(
    entities: readonly Entity[],
    config: Config,
    context: ActionContext,
  ): Promise<(Outcome | RetryRequest)[]>;
}
