/** What stands for every value that is not one of the known ones. */
export const OTHER = 'other';

/**
 * Keeps a label to values that are known beforehand, whoever gives them: a code of an action type's own, a method that a
 * client has made up. Everything else is `other`.
 */
export function bounded(known: Iterable<string>): (value: string) => string {
  const allowed = new Set(known);
  return (value) => (allowed.has(value) ? value : OTHER);
}
