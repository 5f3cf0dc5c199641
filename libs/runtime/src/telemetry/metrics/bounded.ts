/** The label for every value that is not a known one. */
export const OTHER = 'other';

/**
 * Limits a label to known values, whatever its source: an action type's own code, or a method that a client has
 * invented. Everything else becomes `other`.
 */
export function bounded(known: Iterable<string>): (value: string) => string {
  const allowed = new Set(known);
  return (value) => (allowed.has(value) ? value : OTHER);
}
