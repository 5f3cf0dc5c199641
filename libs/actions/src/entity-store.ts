import type { ChangeResult, EntityChange, LanePosition } from '@bulk/domain';
import type { EntityType } from './entity-type.ts';

// What an action type asks of the store, and gets back: an author needs no other package for it.
export type { ChangeResult, EntityChange } from '@bulk/domain';

/** Whose entities, of which type, and for which batch. */
export interface WriteScope {
  readonly accountId: string;
  readonly entityType: EntityType;
  /** The batch that asks; written as the fence of each entity that it changes (G5). */
  readonly at: LanePosition;
  readonly now: Date;
}

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
