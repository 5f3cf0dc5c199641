import type { Fields, LanePosition } from '@bulk/domain';
import type { EntityType, Patch } from './entity-type.ts';

/** Changes fields of an entity that is there. */
export interface UpdateChange extends Patch {
  readonly kind: 'update';
  readonly entityId: string;
  /** The version that the entity must have; absent: any. */
  readonly expectedVersion?: number | undefined;
}

/** Adds an entity that is not there. */
export interface CreateChange {
  readonly kind: 'create';
  readonly entityId: string;
  /** The whole entity. */
  readonly set: Fields;
}

/** Changes fields of an entity that is there, or adds it. */
export interface UpsertChange extends Patch {
  readonly kind: 'upsert';
  readonly entityId: string;
  /** The whole entity to add where none is there; null: then `not-found`. */
  readonly record: Fields | null;
  /** The version that the entity must have; with it nothing is added. Absent: any. */
  readonly expectedVersion?: number | undefined;
}

/** Removes an entity that is there. */
export interface DeleteChange {
  readonly kind: 'delete';
  readonly entityId: string;
  /** The version that the entity must have; absent: any. */
  readonly expectedVersion?: number | undefined;
}

/** A change of one entity. */
export type EntityChange = UpdateChange | CreateChange | UpsertChange | DeleteChange;

/** Whose entities, of which type, and for which batch. */
export interface WriteScope {
  readonly accountId: string;
  readonly entityType: EntityType;
  /** The batch that asks; written as the fence of each entity that it changes (G5). */
  readonly at: LanePosition;
  readonly now: Date;
}

/**
 * What became of a change: `applied`, now or by an earlier run of the same batch; `not-found`, there is no such entity;
 * `exists`, the one to create is there; `unique-violation`, a value belongs to another entity; `version-conflict`, the
 * entity has another version than expected, namely `version`.
 */
export type ChangeResult =
  | { readonly kind: 'applied' | 'not-found' | 'exists' | 'unique-violation' }
  | { readonly kind: 'version-conflict'; readonly version: number };

/** The CRM's entities, as action types change them. */
export interface EntityStore {
  /**
   * Applies one change per entity in one bulk write; the entities differ. Idempotent for a batch.
   *
   * @returns a result for each change, in the same order.
   * @throws SupersededError when a later batch of the lane has changed an entity: report nothing. A retryable CodedError
   * when the store is away or another lane got in between; then any part may have been applied.
   */
  write(scope: WriteScope, changes: readonly EntityChange[]): Promise<ChangeResult[]>;
}
