import { RELATIVE_KINDS, type Fields } from '@bulk/domain';
import { CSV_NULL } from '@bulk/uploads';

/** Changes whose columns have the name of the change before the field: `increment.score`. */
const PREFIXED: ReadonlySet<string> = new Set(RELATIVE_KINDS);

/**
 * Yields the values of the cells that a CSV upload would have for the fields of an entity, by the name of their column.
 *
 * `set` and plain fields mean the same, and a field of `unset` has the value null.
 */
export function* cellsOf(fields: Fields): Generator<readonly [column: string, value: unknown]> {
  for (const [name, value] of Object.entries(fields)) {
    if (name === 'set' && isObject(value)) yield* cellsOf(value);
    else if (name === 'unset' && Array.isArray(value)) {
      for (const field of value) if (typeof field === 'string') yield [field, null];
    } else if (PREFIXED.has(name) && isObject(value)) {
      for (const [field, change] of Object.entries(value)) yield [`${name}.${field}`, change];
    } else yield [name, value];
  }
}

/** Writes the value of a cell as an upload reads it. */
export function textOf(value: unknown): string {
  if (value === null) return CSV_NULL;
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
