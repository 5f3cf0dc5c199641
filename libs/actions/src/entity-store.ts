import type { LanePosition } from '@bulk/domain';
import type { EntityType, Patch } from './entity-type.ts';

/** A change of one entity. */
export interface EntityChange extends Patch {
  readonly entityId: string;
}

/** Whose entities, of which type, and for which batch. */
export interface WriteScope {
  readonly accountId: string;
  readonly entityType: EntityType;
  /** The batch that asks; written as the fence of each entity that it changes (G5). */
  readonly at: LanePosition;
  readonly now: Date;
}

/**
 * What became of a change: `applied`, now or by an earlier run of the same batch; `not-found`; `unique-violation`, a
 * value belongs to another entity.
 */
export type ChangeResult = 'applied' | 'not-found' | 'unique-violation';

/** The CRM's entities, as action types change them. */
export interface EntityStore {
  /**
   * Applies one change per entity in one bulk write; the entities differ. Idempotent for a batch.
   *
   * @returns a result for each change, in the same order.
   * @throws SupersededError when a later batch of the lane has changed an entity: report nothing.
   */
  update(scope: WriteScope, changes: readonly EntityChange[]): Promise<ChangeResult[]>;
}
