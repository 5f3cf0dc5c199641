/**
 * Matches the places where a spreadsheet could start a cell that it takes for a formula: the start of a text, or the
 * place behind a character that separates cells in some locale. White space, invisible characters, quotes and apostrophes
 * may stand before the sign.
 */
const START = String.raw`(^|[;\t\r\n])`;
const FORMULA = String.raw`(?=(?:(?![\t\r\n])[\s\p{C}"'])*[=+\-@\uFF1D\uFF0B\uFF0D\uFF20])`;
const UNESCAPED = new RegExp(START + FORMULA, 'gu');
const ESCAPED = new RegExp(`${START}'${FORMULA}`, 'gu');

/**
 * Puts an apostrophe before each part of a text that a spreadsheet would take for a formula or a number.
 * `unescapeFormulas` restores every text.
 */
export function escapeFormulas(text: string): string {
  return text.replaceAll(UNESCAPED, "$1'");
}

/** Removes the apostrophes that `escapeFormulas` has put into a text. */
export function unescapeFormulas(text: string): string {
  return text.replaceAll(ESCAPED, '$1');
}
