import { exactSum } from './exact-number.ts';
import type { LIST_KINDS } from './field-changes.ts';

/** A change of one field whose result depends on the stored value. */
export type RelativeChange =
  | { readonly kind: 'increment'; readonly by: number }
  | { readonly kind: (typeof LIST_KINDS)[number]; readonly values: readonly unknown[] };

/** The value that a relative change leads to, or why there is none. */
export type RelativeValue =
  { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly message: string };

/**
 * Computes the value that a relative change gives a field. An absent number counts as 0, and an absent list as empty.
 * Numbers are added as decimal numbers.
 *
 * `addToList` appends the values that the list lacks, and `removeFromList` removes every value that equals one of those
 * given. A list that loses its last value stays as an empty list.
 *
 * @param stored the stored value; undefined or null if the field is absent.
 */
export function relativeValue(change: RelativeChange, stored: unknown): RelativeValue {
  const present = stored ?? undefined;
  if (change.kind === 'increment') {
    if (present !== undefined && typeof present !== 'number') return refused('the stored value is no number');
    const value = exactSum(present ?? 0, change.by);
    return value === undefined
      ? refused(
          `expected a sum that a double holds (15 digits always do), found ${present ?? 0} + ${change.by}`,
        )
      : { ok: true, value };
  }
  if (present !== undefined && !Array.isArray(present)) return refused('the stored value is no list');
  const list: readonly unknown[] = present ?? [];
  const { kind, values } = change;
  if (kind === 'removeFromList') {
    const isGiven = (value: unknown): boolean => values.some((one) => equalValues(one, value));
    return { ok: true, value: present === undefined ? undefined : list.filter((value) => !isGiven(value)) };
  }
  const added: unknown[] = [...list];
  for (const value of values) if (!added.some((one) => equalValues(one, value))) added.push(value);
  return { ok: true, value: added };
}

/** Returns whether two JSON values are equal, whatever the order of the keys of an object. */
export function equalValues(a: unknown, b: unknown): boolean {
  if (Object.is(a, b) || a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (a instanceof Date || b instanceof Date)
    return a instanceof Date && b instanceof Date && a.getTime() === b.getTime();
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const [left, right] = [Object.entries(a), new Map(Object.entries(b))];
  return (
    left.length === right.size &&
    left.every(([key, value]) => right.has(key) && equalValues(value, right.get(key)))
  );
}

function refused(message: string): RelativeValue {
  return { ok: false, message };
}
