import type { InvalidRows } from '@bulk/contracts';
import { FaultyRow, InvalidInputError, OUTCOME_CODES } from '@bulk/domain';
import { RowFaults } from './place.ts';
import { quoted } from './visible.ts';

/** A fault of a row, at its place. */
export interface RowFault {
  /** The 1-based line of the file at which the row starts. */
  readonly line: number;
  /** The title of the column, or the key, at fault; absent if the fault concerns the row as a whole. */
  readonly name?: string | undefined;
  readonly message: string;
  /** The code of a refusal because of this fault. Default: `INVALID_ROW`. */
  readonly code?: 'INVALID_ROW' | 'ENTITY_TOO_LARGE';
}

/**
 * Decides what becomes of the invalid rows of one file.
 *
 * With `fail` each of them becomes a `FaultyRow`. With `refuse` the first one decides that the file is refused, and
 * further rows are read only to name more faults.
 */
export class InvalidRowPolicy {
  readonly #mode: InvalidRows;
  readonly #noun: string;
  readonly #refusal: RowFaults;

  /** @param what names the format in messages. */
  constructor(what: 'CSV' | 'NDJSON', mode: InvalidRows) {
    this.#mode = mode;
    this.#noun = what === 'CSV' ? 'column' : 'key';
    this.#refusal = new RowFaults(what);
  }

  /** Whether the file will be refused. */
  get refuses(): boolean {
    return this.#refusal.found;
  }

  /**
   * Takes an invalid row.
   *
   * @param known what is known of the row, although it is invalid.
   * @returns the row as a failure; undefined if the file will be refused.
   * @throws InvalidInputError if the row is too large and the file is to be refused.
   */
  take(
    fault: RowFault,
    known: { readonly id?: string; readonly ref?: string | null } = {},
  ): FaultyRow | undefined {
    const { line, name, message } = fault;
    if (this.#mode === 'refuse') {
      this.refuse(fault);
      return undefined;
    }
    const place = `line ${line}${name === undefined ? '' : `, ${this.#noun} ${quoted(name)}`}`;
    return new FaultyRow({ code: OUTCOME_CODES.INVALID_ROW, message: `${place}: ${message}` }, known);
  }

  /**
   * Takes a fault because of which the file is refused in any case.
   *
   * @throws InvalidInputError `ENTITY_TOO_LARGE`, or the faults before it, if it is one of size.
   */
  refuse({ line, name, message, code }: RowFault): void {
    const field = `line ${line}${name === undefined ? '' : `: ${name}`}`;
    if (code !== 'ENTITY_TOO_LARGE') {
      this.#refusal.add(field, message);
      return;
    }
    this.throwIfRefused();
    throw new InvalidInputError('ENTITY_TOO_LARGE', 'an entity is too large', [{ field, message }]);
  }

  /** Records that a row was read. @throws InvalidInputError if the file is refused and enough is known. */
  afterRow(): void {
    this.#refusal.afterRow();
  }

  /** @throws InvalidInputError `INVALID_ROW` if the file is refused, naming the faults that were found. */
  throwIfRefused(): void {
    this.#refusal.throwIfAny();
  }
}
