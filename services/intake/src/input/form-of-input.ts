import { CHANGE_KINDS, type Entity, type IncomingRow } from '@bulk/domain';
import type { SentForm } from '@bulk/mongo';
import { sourceOf } from '@bulk/uploads';
import { cellsOf } from './entity-cells.ts';

const CHANGES: ReadonlySet<string> = new Set(CHANGE_KINDS);
/** Maximum number of columns, and of characters of their names, that are kept for the download of an action. */
const MAX_COLUMNS = 1_000;
const MAX_CHARACTERS = 65_536;

/**
 * Finds in which form the rows of one action were sent: that of their CSV file, or else the columns of the entities in
 * the order of their first appearance.
 */
export class FormOfInput {
  readonly #columns = new Set<string>();
  #file: SentForm | undefined;
  #characters = 0;
  #isBeyond = false;

  /** The form; undefined if there are too many columns for one table. */
  get form(): SentForm | undefined {
    if (this.#file !== undefined) return this.#file;
    return this.#isBeyond ? undefined : { columns: ['id', ...this.#columns] };
  }

  /** Adds a row and the entity that it became. */
  add(row: IncomingRow, { ref, fields }: Pick<Entity, 'ref' | 'fields'>): void {
    if (this.#file !== undefined || this.#isBeyond) return;
    const source = sourceOf(row);
    if (source !== undefined) {
      const { header, delimiter, columns, escaped = false } = source.file;
      const columnMap = columns === undefined ? {} : { columnMap: JSON.stringify(columns) };
      this.#file = { header, delimiter, ...columnMap, ...(escaped ? { escaped } : {}) };
      return;
    }
    if (ref !== null) this.#name('ref');
    // Most entities have the same plain fields.
    if (Object.keys(fields).every((name) => this.#columns.has(name) && !CHANGES.has(name))) return;
    for (const [column] of cellsOf(fields)) this.#name(column);
  }

  #name(column: string): void {
    if (this.#columns.has(column)) return;
    this.#characters += column.length;
    this.#isBeyond ||= this.#columns.size >= MAX_COLUMNS || this.#characters > MAX_CHARACTERS;
    if (!this.#isBeyond) this.#columns.add(column);
  }
}
