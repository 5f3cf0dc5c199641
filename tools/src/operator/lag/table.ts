import type { GroupLag } from './read-lag.ts';

/** Returns the lines of a table: a group and topic each, and the partitions that lag most. */
export function lagTable(lags: readonly GroupLag[]): string[] {
  const rows = lags.map(({ group, topic, messages, partitions }) => [
    group,
    topic,
    String(messages),
    worstOf(partitions),
  ]);
  const all = [['group', 'topic', 'lag', 'most in partitions'], ...rows];
  const widths = [0, 1, 2].map((column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  return all.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}

const SHOWN = 3;

function worstOf(partitions: GroupLag['partitions']): string {
  return Object.entries(partitions)
    .sort(([, a], [, b]) => b - a)
    .slice(0, SHOWN)
    .map(([partition, lag]) => `${partition}: ${lag}`)
    .join(', ');
}
