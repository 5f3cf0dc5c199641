/** Numbers by name, such as CPU times by process or commands by type. */
export type Counts = ReadonlyMap<string, number>;

/** Returns by how much each number has risen. Those that have not risen are absent. */
export function risenBy(before: Counts, after: Counts): Map<string, number> {
  const risen = new Map<string, number>();
  for (const [name, value] of after) {
    const difference = value - (before.get(name) ?? 0);
    if (difference > 0) risen.set(name, difference);
  }
  return risen;
}

/** Adds up numbers of several sources by name. */
export function sumOf(all: Iterable<Counts>): Map<string, number> {
  const sums = new Map<string, number>();
  for (const counts of all) {
    for (const [name, value] of counts) sums.set(name, (sums.get(name) ?? 0) + value);
  }
  return sums;
}

/** Returns the sum of all numbers. */
export function totalOf(counts: Counts): number {
  return [...counts.values()].reduce((sum, value) => sum + value, 0);
}

/** Returns the names of the largest numbers of several sources, largest first. */
export function largestOf(all: Iterable<Counts>, limit: number): string[] {
  return [...sumOf(all)]
    .sort(([, a], [, b]) => b - a)
    .slice(0, limit)
    .map(([name]) => name);
}

/** Reads the calls of each command from Redis' `INFO commandstats`. */
export function redisCalls(info: string): Map<string, number> {
  const calls = new Map<string, number>();
  for (const [, name, count] of info.matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm)) {
    if (name !== undefined) calls.set(name, Number(count));
  }
  return calls;
}
