/**
 * Returns the value that a share of the sorted values does not exceed (nearest rank); NaN if there
 * are no values.
 *
 * @param share 0 to 1, e.g. 0.99.
 */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

/** Formats latencies like `p50 12 ms · p90 20 ms · p99 41 ms · max 45 ms`. */
export function describeLatencies(values: readonly number[]): string {
  const parts = [
    ['p50', 0.5],
    ['p90', 0.9],
    ['p99', 0.99],
    ['max', 1],
  ] as const;
  return parts.map(([name, share]) => `${name} ${Math.round(percentile(values, share))} ms`).join(' · ');
}
