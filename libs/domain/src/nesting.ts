/**
 * Maximum nesting of JSON from callers. MongoDB stores documents of 100 levels, and a config or an entity lies some
 * levels deep in one. The code that writes JSON recurses for each level.
 */
export const MAX_DEPTH = 64;

/** Returns whether a JSON value has more than `levels` levels of lists and objects. */
export function isDeeperThan(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (levels === 0) return true;
  return Object.values(value).some((inner) => isDeeperThan(inner, levels - 1));
}
