import type { ColumnMap } from '@bulk/contracts';
import type { IncomingRow } from '@bulk/domain';

/** The file of a row, as it was sent. */
export interface SourceFile {
  /** The row that names the columns, without its line end. */
  readonly header: string;
  readonly delimiter: string;
  /** What the caller says about the columns; absent if nothing. */
  readonly columns?: ColumnMap | undefined;
  /** Whether formulas in its cells are escaped. @default false */
  readonly escaped?: boolean | undefined;
}

/** A row of a CSV as it was sent, after decoding to UTF-8. */
export interface RowSource {
  /** The row without its line end, with all its quotes; null if the row is too large to be kept. */
  readonly text: string | null;
  /** The 1-based line of the file at which the row starts. */
  readonly line: number;
  /** The cells of the columns of our results, by title: `_row`, `_status`, … */
  readonly own: ReadonlyMap<string, string>;
  /** Whether each cell is certainly that of its column: none is missing or added. */
  readonly isAligned: boolean;
  readonly file: SourceFile;
}

/** The key is a symbol, so that no field can have it and JSON does not show it. A copy by spreading keeps it. */
const SOURCE = Symbol('source');

/** Returns how a row was sent; undefined if the reader was not asked to keep that. */
export function sourceOf(row: IncomingRow): RowSource | undefined {
  return (row as { readonly [SOURCE]?: RowSource })[SOURCE];
}

/** Adds how a row was sent. @returns the same row. */
export function withSource<T extends IncomingRow>(row: T, source: RowSource): T {
  return Object.assign(row, { [SOURCE]: source });
}
