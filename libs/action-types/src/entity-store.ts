import type { ChangeResult, EntityChange, KeepChanges, LanePosition } from '@bulk/domain';
import type { EntityType } from './entity-type.ts';

// The requests and answers of the store, so that the author of an action type needs no other package for them.
export type { ChangeResult, EntityChange, RelativeChange } from '@bulk/domain';

/** The account, the entity type and the batch of a write. */
export interface WriteScope {
  readonly accountId: string;
  readonly entityType: EntityType;
  /**
   * The action of the batch; handler puts the first action of a chain of retries in its place. The entity keeps it with each relative change, so that a replay of a dead letter, which
   * has another place in the lane, does not make the change again. Absent: such a replay makes it again.
   */
  readonly actionId?: string;
  /** The batch that writes. It becomes the fence of each entity that it changes (G5). */
  readonly at: LanePosition;
  readonly now: Date;
  /** What the results keep of the changes. handler sets it from the action; absent: nothing. */
  readonly changes?: KeepChanges;
  /**
   * Rejects if the batch's partition has another owner. The store calls it again if the write had to wait. Absent: the
   * partition cannot be lost.
   */
  readonly confirmOwnership?: () => Promise<void>;
}

/** The CRM's entities, in the form in which action types change them. */
export interface EntityStore {
  /**
   * Applies one change per entity in one bulk write; the entities differ. It may be repeated for a batch. Writes at the
   * same time may share a bulk write, and each has its own results and its own errors.
   *
   * @returns a result for each change, in the same order.
   * @throws SupersededError if a later batch of the lane has changed an entity: report nothing.
   * @throws a retryable CodedError if the store is unavailable or another lane interfered; any part may have been
   *   applied.
   * @throws the error of `WriteScope.confirmOwnership`.
   */
  write(scope: WriteScope, changes: readonly EntityChange[]): Promise<ChangeResult[]>;
}
