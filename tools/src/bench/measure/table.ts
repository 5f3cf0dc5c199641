/** One row of a table: its label and its cells, as many as the table has columns. */
export type Row = readonly [label: string, ...cells: string[]];

/** Lays out a table: labels on the left, all other columns aligned to the right. */
export function tableLines(columns: Row, rows: readonly Row[]): string[] {
  const all = [columns, ...rows];
  const widths = columns.map((_, at) => Math.max(...all.map((row) => row[at]?.length ?? 0)));
  return all.map((row) =>
    widths
      .map((width, at) => (at === 0 ? row[0].padEnd(width) : (row[at] ?? '').padStart(width)))
      .join('  ')
      .trimEnd(),
  );
}

/** Formats a figure with three significant digits at most: 0.04, 1.25, 12.5, 125. */
export function figure(value: number | undefined): string {
  if (value === undefined || Number.isNaN(value)) return '–';
  if (value === 0) return '0';
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString('en-US');
  return value.toFixed(Math.abs(value) >= 10 ? 1 : 2);
}
