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

/**
 * The entities that the rows of an action type name: existing ones; new ones, whose rows may lack an id; or either, where
 * a row whose value `matchBy` does not find names a new one.
 */
export type Targets = 'existing' | 'new' | 'either';

/** The part of an action that its action type validates at intake. */
export interface ActionPayload {
  readonly entityType: EntityType;
  /** The config as the caller sent it. */
  readonly config: Fields;
}

/** The context in which an action type processes a batch. */
export interface ActionContext {
  readonly identity: ActionIdentity;
  readonly entityType: EntityType;
  /** The place of the batch in its lane. */
  readonly at: LanePosition;
  /** The store of entities. In a dry run, it writes nothing and predicts the results. */
  readonly store: EntityStore;
  readonly now: Date;
  /** Whether outcomes are only predicted. An action type with side effects of its own must then omit them. */
  readonly dryRun: boolean;
  /**
   * Returns a stable identifier for the work on one position, for an action type's own side effects (a mail, a call of
   * another system). It is the same in every run of that position, so the receiver can recognise a repetition.
   *
   * Processing is at least once, and a stalled handler may act late. Our fences do not reach another system, so that
   * system must check the token itself.
   *
   * @param position position of an entity of this batch.
   */
  idempotencyToken(position: number): string;
}

/**
 * An action type: what one bulk request does to each of its entities.
 *
 * Processing is at least once: after a crash the same batch is processed again. So an effect must be recognisable as
 * done, which `EntityStore` ensures for entities. A fault of one entity is returned as its outcome.
 *
 * Errors, all classified by `isRetryable` of @bulk/domain:
 *
 * - Of `processEntity`: after a RetryableError, or a network fault of its own call, the retry policy retries this
 *   entity. After any other retryable CodedError, such as that of an unavailable store, the batch is retried without
 *   limit. A PermanentError is the entity's failure with its code. Anything else is its failure `PROCESSING_ERROR`.
 * - Of `processBatch`: a retryable error concerns the whole batch; `retryLater` requests a retry of one entity. After a
 *   PermanentError the entities are processed one by one, at once. After anything else the batch is tried again a few
 *   times, the last time entity by entity.
 */
export interface BulkActionHandler<Config = unknown> {
  readonly actionType: string;
  /** Whether only the platform creates actions of this type, and no request may name it. @default false */
  readonly isInternal?: boolean;
  /** @default `existing` */
  readonly targets?: Targets;
  /** Whether an action may name its entities by a filter. Only for types that change existing entities. @default false */
  readonly takesFilter?: boolean;
  /** The parts of the retry policy that differ for this action type. An action's own policy takes precedence. */
  readonly retry?: RetryOverride;
  /**
   * Validates the config of an action. Called once, at intake, before anything is stored.
   *
   * @returns the config that `processEntity` gets.
   * @throws InvalidInputError naming each field at fault, e.g. `config.set.email`.
   */
  validatePayload(payload: ActionPayload): Promise<Config>;
  /** Returns the schema of `config`, which the API's documentation shows. */
  getConfigSchema(): z.ZodType<Config>;
  /**
   * Returns which of these field names the action type cannot use, e.g. of those in a CSV header. Without this method,
   * no name is refused.
   */
  unknownFields?(names: readonly string[], entityType: EntityType): string[];
  /** Applies one entity. */
  processEntity(entity: Entity, config: Config, context: ActionContext): Promise<Outcome | RetryRequest>;
  /** Applies a batch of different entities at once, if that is faster than one by one. */
  processBatch?(
    entities: readonly Entity[],
    config: Config,
    context: ActionContext,
  ): Promise<(Outcome | RetryRequest)[]>;
}
