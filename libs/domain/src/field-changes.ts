import type { Fields } from './entity.ts';

/** The ways in which an update changes a field, by the name under which a caller sends it. */
export const CHANGE_KINDS = ['set', 'unset', 'increment', 'addToList', 'removeFromList'] as const;
export type ChangeKind = (typeof CHANGE_KINDS)[number];

/** Changes of fields as a caller sends them, in the config of an action or in an entity. */
export interface FieldChanges {
  /** Fields to set; null clears a field. */
  readonly set?: Fields | undefined;
  /** Fields to clear. */
  readonly unset?: readonly string[] | undefined;
  /** Field → the number to add; negative to subtract. */
  readonly increment?: Readonly<Record<string, number>> | undefined;
  /** Field → values to append to its list, unless the list has them. */
  readonly addToList?: Readonly<Record<string, readonly unknown[]>> | undefined;
  /** Field → values to remove from its list. */
  readonly removeFromList?: Readonly<Record<string, readonly unknown[]>> | undefined;
}
