import { changeOf, type NamedFieldChange } from '@bulk/action-types';
import { cellReader, type CellReader } from './cells.ts';
import { unescapeFormulas } from './formulas.ts';
import { columnsOf, isOwn, type HeaderColumn, type HeaderOptions } from './header.ts';
import { quoted, withoutInvisible } from './visible.ts';

interface ReadColumn {
  readonly title: string;
  /** Its name in an entity; null if its cells are ignored. */
  readonly name: string | null;
  readonly read: CellReader;
  /** The change that the column stands for; undefined if it is a field. */
  readonly change: NamedFieldChange | undefined;
}

export interface ColumnsOptions extends HeaderOptions {
  /** Whether formulas in the cells are escaped, as `escapeFormulas` does. @default false */
  readonly escaped?: boolean | undefined;
}

/** The columns of a CSV, which convert its rows. */
export class CsvColumns {
  readonly #columns: readonly (ReadColumn | undefined)[];
  readonly #lastNamed: number;
  /** Upper bound of the bytes that the names of the columns add to the JSON of an entity. */
  readonly keyBytes: number;

  /** @throws InvalidInputError `INVALID_HEADER` naming every column at fault. */
  constructor(titles: readonly string[], options: ColumnsOptions) {
    this.#columns = columnsOf(titles, options).map((column) => column && toReadColumn(column, options));
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
    for (const [i, column] of this.#columns.entries()) {
      if (column === undefined || column.name === null) continue;
      // Concatenated files have a byte order mark at the start of each.
      const text = i === 0 ? (cells[i] ?? '').replace(/^\ufeff/u, '') : (cells[i] ?? '');
      const value = column.read(text);
      if (value === undefined) continue;
      const { change } = column;
      if (change === undefined) values.push([column.name, value]);
      else changes.set(change.kind, { ...changes.get(change.kind), [change.field]: value });
    }
    // fromEntries, since a column may be called __proto__.
    return Object.fromEntries([...values, ...changes]);
  }

  /** Returns the cells of the columns that are ours, such as `_row`, by title. */
  ownCells(cells: readonly string[]): ReadonlyMap<string, string> {
    const own = new Map<string, string>();
    for (const [i, column] of this.#columns.entries()) {
      const title = column === undefined ? '' : withoutInvisible(column.title);
      if (isOwn(title) && !own.has(title)) own.set(title, cells[i] ?? '');
    }
    return own;
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
