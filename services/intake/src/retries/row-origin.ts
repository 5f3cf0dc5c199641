import type { IncomingRow } from '@bulk/domain';

const ORIGIN = Symbol('origin');

/** The rows of retries. A copy of a row by `{ ...row }` keeps the property, and JSON leaves it out. */
interface WithOrigin {
  readonly [ORIGIN]?: number;
}

/** Notes on a row of a retry which position of the first action of the chain it tries again. */
export function withOrigin<Row extends IncomingRow>(row: Row, origin: number): Row {
  return Object.assign(row, { [ORIGIN]: origin });
}

/** Returns the position of the first action that a row tries again; undefined if it is not a row of a retry. */
export function originOf(row: IncomingRow): number | undefined {
  return (row as WithOrigin)[ORIGIN];
}
