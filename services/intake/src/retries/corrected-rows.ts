import { FaultyRow, InvalidInputError, type FieldIssue, type IncomingRow } from '@bulk/domain';
import type { LeftOut } from '@bulk/mongo';
import { quoted, sourceOf, type RowSource } from '@bulk/uploads';
import type { FailedPositions } from './failed-positions.ts';
import { PositionSet } from './position-set.ts';
import type { NextRetry } from './retry-chain.ts';
import { withOrigin } from './row-origin.ts';
import { nothingToRetry } from './selected-rows.ts';

/** Maximum number of places that an answer names. */
const MAX_ISSUES = 20;

export interface CorrectedRowsOptions {
  readonly actionId: string;
  /** Number of positions of the action. */
  readonly total: number;
  readonly positions: FailedPositions;
  readonly next: Pick<NextRetry, 'fixed' | 'open'>;
}

/**
 * Selects the rows of a corrected file that a retry tries: those of the failed positions, matched by `_row`.
 *
 * Our logs decide what has succeeded, and not the file. A row that has succeeded, or was skipped, is left out. A failed
 * row is left out if its `_status` says `success`, since its author wants it so.
 */
export class CorrectedRows {
  readonly #options: CorrectedRowsOptions;
  readonly #seen = new PositionSet();
  readonly #issues: FieldIssue[] = [];
  readonly #leftOut = { success: 0, skipped: 0 };

  constructor(options: CorrectedRowsOptions) {
    this.#options = options;
  }

  /** The rows that were left out so far. */
  get leftOut(): LeftOut {
    return { ...this.#leftOut };
  }

  /**
   * Yields the rows to try.
   *
   * @throws InvalidInputError `INVALID_HEADER` if there is no column `_row`, `INVALID_ROW` naming the lines whose `_row`
   *   is missing, unknown, repeated or perhaps a cell of another column; RestError `NOTHING_TO_RETRY` if every row is left out; what `rows` throws.
   */
  async *select(rows: AsyncIterable<IncomingRow>): AsyncGenerator<IncomingRow> {
    let tried = 0;
    for await (const row of rows) {
      const selected = this.#selected(row);
      if (this.#issues.length >= MAX_ISSUES) this.#throwIfAny();
      if (selected === undefined || this.#issues.length > 0) continue;
      tried += 1;
      yield selected;
    }
    this.#throwIfAny();
    if (tried === 0) throw nothingToRetry(this.#options.actionId);
  }

  #selected(row: IncomingRow): IncomingRow | undefined {
    const { positions, next } = this.#options;
    const source = sourceOf(row);
    const position = this.#positionOf(source);
    if (position === undefined) return undefined;
    const origin = positions.originOf(position);
    const isFailed = positions.failed.has(position);
    if (positions.skipped.has(position)) this.#leftOut.skipped += 1;
    else if (!isFailed || next.fixed.has(origin) || source?.own.get('_status')?.trim() === 'success')
      this.#leftOut.success += 1;
    else if (next.open.has(origin))
      this.#fault(source?.line ?? 0, `expected a row that no unfinished retry tries, found ${position + 1}`);
    else if (isEmptyRow(row))
      this.#fault(
        source?.line ?? 0,
        'expected the cells of the row: it was too large to be kept. Fill them in, or remove the row',
      );
    else return withOrigin(row, origin);
    return undefined;
  }

  #positionOf(source: RowSource | undefined): number | undefined {
    const cell = source?.own.get('_row');
    const line = source?.line ?? 0;
    if (cell === undefined) {
      throw new InvalidInputError('INVALID_HEADER', 'the first row of the CSV is invalid', [
        { field: '_row', message: 'expected the column _row of the downloaded results' },
      ]);
    }
    if (source?.isAligned !== true) {
      this.#fault(line, 'expected as many cells as the first row has, so that each is in its column');
      return undefined;
    }
    const { total } = this.#options;
    const text = cell.trim();
    const number = /^\d{1,15}$/.test(text) ? Number(text) : 0;
    if (number < 1 || number > total) {
      this.#fault(line, `expected the number of a row, from 1 to ${total}, found ${quoted(cell)}`);
      return undefined;
    }
    if (this.#seen.add(number - 1)) return number - 1;
    this.#fault(line, `expected each row once, found ${number} again`);
    return undefined;
  }

  #fault(line: number, message: string): void {
    this.#issues.push({ field: `line ${line}: _row`, message });
  }

  #throwIfAny(): void {
    const { length } = this.#issues;
    if (length === 0) return;
    const rows = length === 1 ? '1 row' : `${length} rows`;
    throw new InvalidInputError('INVALID_ROW', `${rows} of the CSV cannot be matched`, this.#issues);
  }
}

/** Returns whether a row has no cell except ours. */
function isEmptyRow(row: IncomingRow): boolean {
  return !(row instanceof FaultyRow) && Object.keys(row).length === 0;
}
