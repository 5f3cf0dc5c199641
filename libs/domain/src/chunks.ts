/** A limit of the items that belong together. */
export interface SizeLimit<T> {
  readonly sizeOf: (item: T) => number;
  /** Maximum sum of the sizes. */
  readonly max: number;
}

/**
 * Returns the first items that together keep within every limit.
 *
 * @param least number of items that are returned whatever their size.
 */
export function firstWithin<T>(
  items: readonly T[],
  limits: readonly SizeLimit<T>[],
  least = 1,
): readonly T[] {
  const sums = limits.map(() => 0);
  const end = items.findIndex((item, i) => {
    const isBeyond = limits.map(({ sizeOf, max }, n) => (sums[n] = (sums[n] ?? 0) + sizeOf(item)) > max);
    return i >= least && isBeyond.includes(true);
  });
  return items.slice(0, end < 0 ? items.length : end);
}

/** Cuts a list into parts of `size` items, in order; the last part may be smaller. @param size at least 1. */
export function chunksOf<T>(items: readonly T[], size: number): T[][] {
  const chunks: T[][] = [];
  for (let i = 0; i < items.length; i += size) chunks.push(items.slice(i, i + size));
  return chunks;
}
