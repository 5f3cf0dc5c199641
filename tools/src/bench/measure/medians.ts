/** Returns the median, which is the mean of the two middle values if their number is even; NaN if there are none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const half = sorted.length / 2;
  const lower = sorted[Math.ceil(half) - 1] ?? Number.NaN;
  const upper = sorted[Math.floor(half)] ?? Number.NaN;
  return (lower + upper) / 2;
}

/** The times of repetitions of the same work, in ms. */
export interface Times {
  readonly median: number;
  readonly slowest: number;
  readonly runs: number;
}

/** Summarizes the times of repetitions, in ms. Without any, both figures are NaN. */
export function timesOf(milliseconds: readonly number[]): Times {
  return {
    median: median(milliseconds),
    slowest: milliseconds.length === 0 ? Number.NaN : Math.max(...milliseconds),
    runs: milliseconds.length,
  };
}

/**
 * Runs all measurements in turn, several times, and returns the results of each by its name.
 *
 * The turns are interleaved because the speed of a machine drifts.
 */
export async function inRounds<T>(
  rounds: number,
  measurements: ReadonlyMap<string, () => Promise<T>>,
): Promise<ReadonlyMap<string, readonly T[]>> {
  const results = new Map<string, T[]>([...measurements.keys()].map((name) => [name, []]));
  for (let round = 0; round < rounds; round += 1) {
    for (const [name, measure] of measurements) results.get(name)?.push(await measure());
  }
  return results;
}
