const QUOTE = '"';

/**
 * Splits a row of a CSV into its cells as they were written, with their quotes. Joined by the delimiter, they are the
 * row again.
 *
 * A quote opens a quoted cell only at the start of the cell, as in the reader of uploads.
 */
export function rawCells(text: string, delimiter: string): string[] {
  const cells: string[] = [];
  let start = 0;
  let at = 0;
  for (;;) {
    if (text[at] === QUOTE) at = endOfQuoted(text, at + 1);
    const end = text.indexOf(delimiter, at);
    if (end === -1) {
      cells.push(text.slice(start));
      return cells;
    }
    cells.push(text.slice(start, end));
    start = end + delimiter.length;
    at = start;
  }
}

/** Returns the value of a cell as it was written. */
export function valueOf(rawCell: string): string {
  if (!rawCell.startsWith(QUOTE)) return rawCell;
  return rawCell.slice(1, rawCell.endsWith(QUOTE) ? -1 : undefined).replaceAll('""', QUOTE);
}

/** Returns the index after the closing quote; that of the end if there is none. */
function endOfQuoted(text: string, from: number): number {
  for (let at = from; ; at += 2) {
    at = text.indexOf(QUOTE, at);
    if (at === -1) return text.length;
    if (text[at + 1] !== QUOTE) return at + 1;
  }
}
