import { changeOf, type NamedFieldChange } from '@bulk/action-types';
import { OUTCOME_STATUSES } from '@bulk/domain';
import { cellReader, type CellReader } from './cells.ts';
import { unescapeFormulas } from './formulas.ts';
import { columnsOf, type HeaderColumn, type HeaderOptions } from './header.ts';
import { isOwnColumn } from './own-columns.ts';
import { quoted, withoutInvisible } from './visible.ts';

interface ReadColumn {
  readonly title: string;
  /** Its name in an entity; null if its cells are ignored. */
  readonly name: string | null;
  readonly read: CellReader;
  /** The change that the column stands for; undefined if it is a field. */
  readonly change: NamedFieldChange | undefined;
}

type UsedColumn = ReadColumn & { readonly name: string };

export interface ColumnsOptions extends HeaderOptions {
  /** Whether formulas in the cells are escaped, as `escapeFormulas` does. @default false */
  readonly escaped?: boolean | undefined;
}

/** The statuses that our results give to a row; empty if a person has removed it. */
const STATUSES: ReadonlySet<string> = new Set(['', ...OUTCOME_STATUSES]);
const NO_CELLS: ReadonlyMap<string, string> = new Map();

/**
 * The columns of a CSV, which convert its rows. The work for a row depends on its cells and on the columns that are
 * used, and not on the size of the header.
 */
export class CsvColumns {
  readonly #columns: readonly (ReadColumn | undefined)[];
  /** The columns whose cells become members of an entity. */
  readonly #used: readonly (UsedColumn & { readonly index: number })[];
  /** The indexes of the columns of our results, by title. */
  readonly #own: ReadonlyMap<string, number>;
  readonly #lastNamed: number;
  /** Upper bound of the bytes that the names of the columns add to the JSON of an entity. */
  readonly keyBytes: number;

  /** @throws InvalidInputError `INVALID_HEADER` naming every column at fault. */
  constructor(titles: readonly string[], options: ColumnsOptions) {
    this.#columns = columnsOf(titles, options).map((column) => column && toReadColumn(column, options));
    this.#used = this.#columns.flatMap((column, index) =>
      column === undefined || column.name === null ? [] : [{ ...column, name: column.name, index }],
    );
    const own = this.#columns.flatMap((column, index): [string, number][] =>
      column !== undefined && isOwnColumn(column.title) ? [[withoutInvisible(column.title), index]] : [],
    );
    // Of two columns with one title, the first one counts.
    this.#own = new Map(own.reverse());
    this.#lastNamed = this.#columns.findLastIndex((column) => column !== undefined);
    this.keyBytes = this.#columns.reduce((sum, column) => sum + keyBytesOf(column?.name ?? ''), 0);
  }

  /** Returns the title of a column by its index. */
  titleAt(index: number): string | undefined {
    const title = this.#columns[index]?.title;
    return title === undefined ? undefined : withoutInvisible(title);
  }

  /** Returns the title of the column with this name in an entity. */
  titleOf(name: string): string | undefined {
    const index = this.#columns.findIndex((column) => column?.name === name);
    return index === -1 ? undefined : this.titleAt(index);
  }

  /** Finds whether a row has too few or too many cells. @returns the message of the fault. */
  faultOf(cells: readonly string[]): string | undefined {
    const named = this.#columns.length;
    const surplus = cells.findIndex((cell, i) => cell !== '' && this.#columns[i] === undefined);
    if (surplus !== -1)
      return `expected ${count(named)}, found ${cells.length}; cell ${surplus + 1} has no column: ${quoted(cells[surplus] ?? '')}`;
    return cells.length > this.#lastNamed ? undefined : `expected ${count(named)}, found ${cells.length}`;
  }

  /** Converts the cells of a row into the members of an entity. Cells that the row lacks set nothing. */
  convert(cells: readonly string[]): Record<string, unknown> {
    const values: [string, unknown][] = [];
    const changes = new Map<string, Record<string, unknown>>();
    for (const { index, name, read, change } of this.#used) {
      const cell = cells[index] ?? '';
      // Concatenated files have a byte order mark at the start of each.
      const value = read(index === 0 ? cell.replace(/^\ufeff/u, '') : cell);
      if (value === undefined) continue;
      if (change === undefined) values.push([name, value]);
      else changes.set(change.kind, { ...changes.get(change.kind), [change.field]: value });
    }
    // fromEntries, since a column may be called __proto__.
    return Object.fromEntries([...values, ...changes]);
  }

  /** Returns the cells of the columns of our results, such as `_row`, by title. */
  ownCells(cells: readonly string[]): ReadonlyMap<string, string> {
    if (this.#own.size === 0) return NO_CELLS;
    return new Map(Array.from(this.#own, ([title, index]) => [title, cells[index] ?? '']));
  }

  /**
   * Returns whether each cell is certainly that of its column.
   *
   * A spreadsheet may leave out empty cells at the end of a row. A row with fewer cells is believed if it has a
   * `_status` that our results give.
   */
  isAligned(cells: readonly string[]): boolean {
    const { length } = cells;
    if (length >= this.#columns.length) return length === this.#columns.length;
    const [row, status] = [this.#own.get('_row'), this.#own.get('_status')];
    if (row === undefined || status === undefined || length <= Math.max(row, status)) return false;
    return STATUSES.has((cells[status] ?? '').trim());
  }
}

function toReadColumn({ title, name }: HeaderColumn, options: ColumnsOptions): ReadColumn {
  return name === null
    ? { title, name, read: () => undefined, change: undefined }
    : { title, name, read: cellsOf(name, options), change: changeOf(name, options.entityType) };
}

function cellsOf(name: string, { entityType, escaped = false, identity }: ColumnsOptions): CellReader {
  const read = cellReader(name, entityType, identity?.by === 'optional-id');
  if (!escaped) return read;
  return (text) => {
    const plain = unescapeFormulas(text);
    return read(plain, plain !== text);
  };
}

/** A name is quoted and followed by a colon and a comma. A change is nested, and its value is quoted as well. */
function keyBytesOf(name: string): number {
  return Buffer.byteLength(JSON.stringify(name)) + 40;
}

function count(cells: number): string {
  return cells === 1 ? '1 cell' : `${cells} cells`;
}
