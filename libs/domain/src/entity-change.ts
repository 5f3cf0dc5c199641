import type { Fields } from './entity.ts';
import type { FieldIssue } from './errors.ts';
import type { Effect } from './outcome.ts';
import type { RelativeChange } from './relative-change.ts';

/** A validated change: fields to set, fields to clear, and changes that depend on the stored values. */
export interface Patch {
  readonly set: Fields;
  readonly unset: readonly string[];
  /** Field → its change. No field of it is in `set` or `unset`. Absent: none. */
  readonly relative?: Readonly<Record<string, RelativeChange>>;
}

/** What every change may ask for. */
interface Marked {
  /**
   * Whether the entity keeps a mark of the change, so that a replay and a retry of its action do not make the change
   * again. A relative change always leaves one.
   */
  readonly marked?: boolean;
  /**
   * The position that asks for the change, in the first action of the chain of retries. The mark keeps it. handler sets
   * it; absent: unknown.
   */
  readonly position?: number;
  /**
   * The record must not have been created, or if it is to be restored, deleted, after this time. After its tombstone has
   * expired, another record of the same id starts at version 1 again and can reach any version. Absent: any time.
   */
  readonly notAfter?: Date | undefined;
}

/** Changes fields of an existing entity. */
export interface UpdateChange extends Patch, Marked {
  readonly kind: 'update';
  readonly entityId: string;
  /** The version that the entity must have; absent: any. */
  readonly expectedVersion?: number | undefined;
}

/** Adds an entity that does not exist. */
export interface CreateChange extends Marked {
  readonly kind: 'create';
  readonly entityId: string;
  /** The whole entity. */
  readonly set: Fields;
  /** The version of the tombstone that the entity must have left; absent: there may be none. */
  readonly deletedVersion?: number;
}

/** Changes fields of an existing entity, or adds the entity. */
export interface UpsertChange extends Patch, Marked {
  readonly kind: 'upsert';
  readonly entityId: string;
  /** The whole entity to add if there is none; null: the result is `not-found`. */
  readonly record: Fields | null;
  /** The version that the entity must have; with a version, nothing is added. Absent: any version. */
  readonly expectedVersion?: number | undefined;
}

/** Removes an existing entity. */
export interface DeleteChange extends Marked {
  readonly kind: 'delete';
  readonly entityId: string;
  /** The version that the entity must have; absent: any. */
  readonly expectedVersion?: number | undefined;
}

/** A change of one entity. */
export type EntityChange = UpdateChange | CreateChange | UpsertChange | DeleteChange;

/** A change that was made, now or by an earlier run of the same batch. */
export interface AppliedChange {
  readonly kind: 'applied';
  readonly effect: Effect;
  /** The version that the change left; absent if the store does not know it without reading the entity. */
  readonly version?: number;
  /** What the action keeps of the change, as the JSON of `EntityChanges`; absent if it keeps nothing. */
  readonly changes?: string;
}

/**
 * The result of a change:
 *
 * - `applied`: done, now or by an earlier run of the same batch.
 * - `not-found`: there is no such entity.
 * - `exists`: the entity to create exists already.
 * - `unique-violation`: a unique value belongs to another entity.
 * - `refused`: the database refuses the entity as it would become. A retry would not change that.
 * - `duplicate`: another position of the same chain of retries has changed the entity, namely `position`.
 * - `version-conflict`: the entity has another version than expected, namely `version`.
 * - `invalid`: a field would get a value that the entity type does not allow, as `issues` say.
 */
export type ChangeResult =
  | AppliedChange
  | { readonly kind: 'not-found' | 'exists' | 'unique-violation' | 'refused' }
  | { readonly kind: 'duplicate'; readonly position: number }
  | { readonly kind: 'version-conflict'; readonly version: number }
  | { readonly kind: 'invalid'; readonly issues: readonly FieldIssue[] };

/** Returns whether the result of a change depends on the values that are stored. */
export function isRelative(change: EntityChange): boolean {
  return (change.kind === 'update' || change.kind === 'upsert') && change.relative !== undefined;
}

/** Returns whether the entity keeps a mark of the change. */
export function leavesMark(change: EntityChange): boolean {
  return change.marked === true || isRelative(change);
}
