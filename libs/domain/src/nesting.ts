/**
 * Levels of nesting that JSON from outside may have. MongoDB stores documents of 100 levels, and a config or an entity lies
 * some levels deep in one; what writes JSON calls itself for each level.
 */
export const MAX_DEPTH = 64;

/** Whether a JSON value has more than `levels` levels of lists and objects. */
export function isDeeperThan(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (levels === 0) return true;
  return Object.values(value).some((inner) => isDeeperThan(inner, levels - 1));
}
