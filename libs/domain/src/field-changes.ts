import type { Fields } from './entity.ts';

/** The ways in which an update changes a list, by the name under which a caller sends it. */
export const LIST_KINDS = ['addToList', 'removeFromList'] as const;
/** The ways whose result depends on the stored value. */
export const RELATIVE_KINDS = ['increment', ...LIST_KINDS] as const;
/** All ways in which an update changes a field. */
export const CHANGE_KINDS = ['set', 'unset', ...RELATIVE_KINDS] as const;
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
