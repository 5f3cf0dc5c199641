import { isDeepStrictEqual } from 'node:util';
import type { Fields } from '@bulk/domain';

/** The values of changed fields before and after a change, with null for an absent one. */
export interface ModelChange {
  readonly before: Fields;
  readonly after: Fields;
}

/**
 * Returns what changed in an entity.
 *
 * @param before the fields of the entity; null if there was none.
 * @param after the same after the change.
 */
export function changeOf(before: Fields | null, after: Fields | null): ModelChange {
  if (before === null || after === null) return { before: before ?? {}, after: after ?? {} };
  const fields = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  const changed = fields.filter((field) => !isDeepStrictEqual(before[field], after[field]));
  const of = (values: Fields): Fields =>
    Object.fromEntries(changed.map((field) => [field, values[field] ?? null]));
  return { before: of(before), after: of(after) };
}
