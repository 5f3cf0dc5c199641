import type { Fields } from './entity.ts';

/** A validated change: fields to set and fields to clear. */
export interface Patch {
  readonly set: Fields;
  readonly unset: readonly string[];
}

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

/**
 * What became of a change: `applied`, now or by an earlier run of the same batch; `not-found`, there is no such entity;
 * `exists`, the one to create is there; `unique-violation`, a value belongs to another entity; `version-conflict`, the
 * entity has another version than expected, namely `version`.
 */
export type ChangeResult =
  | { readonly kind: 'applied' | 'not-found' | 'exists' | 'unique-violation' }
  | { readonly kind: 'version-conflict'; readonly version: number };
