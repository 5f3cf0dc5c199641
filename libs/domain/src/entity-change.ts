import type { Fields } from './entity.ts';

/** A validated change: fields to set and fields to clear. */
export interface Patch {
  readonly set: Fields;
  readonly unset: readonly string[];
}

/** Changes fields of an existing entity. */
export interface UpdateChange extends Patch {
  readonly kind: 'update';
  readonly entityId: string;
  /** The version that the entity must have; absent: any. */
  readonly expectedVersion?: number | undefined;
}

/** Adds an entity that does not exist. */
export interface CreateChange {
  readonly kind: 'create';
  readonly entityId: string;
  /** The whole entity. */
  readonly set: Fields;
}

/** Changes fields of an existing entity, or adds the entity. */
export interface UpsertChange extends Patch {
  readonly kind: 'upsert';
  readonly entityId: string;
  /** The whole entity to add if there is none; null: the result is `not-found`. */
  readonly record: Fields | null;
  /** The version that the entity must have; with a version, nothing is added. Absent: any version. */
  readonly expectedVersion?: number | undefined;
}

/** Removes an existing entity. */
export interface DeleteChange {
  readonly kind: 'delete';
  readonly entityId: string;
  /** The version that the entity must have; absent: any. */
  readonly expectedVersion?: number | undefined;
}

/** A change of one entity. */
export type EntityChange = UpdateChange | CreateChange | UpsertChange | DeleteChange;

/**
 * The result of a change:
 *
 * - `applied`: done, now or by an earlier run of the same batch.
 * - `not-found`: there is no such entity.
 * - `exists`: the entity to create exists already.
 * - `unique-violation`: a unique value belongs to another entity.
 * - `refused`: the database refuses the entity as it would become. A retry would not change that.
 * - `version-conflict`: the entity has another version than expected, namely `version`.
 */
export type ChangeResult =
  | { readonly kind: 'applied' | 'not-found' | 'exists' | 'unique-violation' | 'refused' }
  | { readonly kind: 'version-conflict'; readonly version: number };
