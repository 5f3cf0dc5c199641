import { InvalidInputError, type FieldIssue } from '@bulk/domain';

/** Maximum number of faulty places that one refusal names. */
export const MAX_FAULTS = 20;

/** Number of rows that are read after the first fault, so that one refusal can name more faults. */
const FURTHER_ROWS = 10_000;

/**
 * Collects the faulty rows of an upload, so that one refusal names up to `MAX_FAULTS` of them.
 *
 * After the first fault the upload is refused in any case. Reading continues only to find more faults, within bounds.
 */
export class RowFaults {
  readonly #what: string;
  readonly #issues: FieldIssue[] = [];
  #rowsAfterFirst = 0;

  /** @param what names the format in the message, e.g. `CSV`. */
  constructor(what: string) {
    this.#what = what;
  }

  get found(): boolean {
    return this.#issues.length > 0;
  }

  add(field: string, message: string): void {
    this.#issues.push({ field, message });
  }

  /**
   * Records that a row was read. @throws InvalidInputError if enough faults are known, or enough rows were read after
   * one.
   */
  afterRow(): void {
    if (!this.found) return;
    this.#rowsAfterFirst += 1;
    if (this.#issues.length >= MAX_FAULTS || this.#rowsAfterFirst > FURTHER_ROWS) this.throwIfAny();
  }

  /** @throws InvalidInputError `INVALID_ROW` naming every fault that was found. */
  throwIfAny(): void {
    if (!this.found) return;
    const { length } = this.#issues;
    const message =
      length === 1
        ? `a row of the ${this.#what} is invalid`
        : `${length}${length >= MAX_FAULTS ? ' or more' : ''} rows of the ${this.#what} are invalid`;
    throw new InvalidInputError('INVALID_ROW', message, this.#issues);
  }
}
