/** The code that the last row of a broken-off download names. */
const CODE = /^[A-Z][A-Z_]+$/;

/** The fault of a file that is only the beginning of a download. */
export const INCOMPLETE_MESSAGE =
  'expected a complete file; this row says that the download of the file broke off: download it again';

/** Returns whether a line of NDJSON is the last one of a download that broke off. */
export function isIncompleteLine(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { status, code, message, ...others } = value as Readonly<Record<string, unknown>>;
  return Object.keys(others).length === 0 && isMarker(status, code) && typeof message === 'string';
}

/**
 * Returns whether a row of a CSV is the last one of a download that broke off: its only cells are `incomplete`, a code and
 * a message. They stand behind the columns of an export of records, or in the columns of results.
 */
export function isIncompleteRow(cells: readonly string[], titles: readonly string[]): boolean {
  const start = cells.findIndex((cell) => cell !== '');
  const end = cells.findLastIndex((cell) => cell !== '');
  if (end - start !== 2 || !isMarker(cells[start], cells[start + 1])) return false;
  const named = [0, 1, 2].map((i) => titles[start + i] ?? '').join();
  return (
    named === ',,' ||
    named === '_status,_code,_message' ||
    (named === 'status,code,message' && titles.includes('position'))
  );
}

function isMarker(status: unknown, code: unknown): boolean {
  return status === 'incomplete' && typeof code === 'string' && CODE.test(code);
}
