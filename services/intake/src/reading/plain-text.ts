/**
 * Matches the places where a spreadsheet could start a cell.
 *
 * These are the start, and the place after a character that separates cells in some locale. White
 * space, invisible characters and a quote may stand before the sign.
 */
const FORMULA = /(^|[;\t\r\n])((?:(?![\t\r\n])[\s\p{C}"])*)(?=[=+\-@\uFF1D\uFF0B\uFF0D\uFF20])/gu;

/**
 * Puts an apostrophe before each sign by which a spreadsheet would take a text for a formula.
 *
 * csv-stringify's `escape_formulas` looks at the first character only. A spreadsheet also skips
 * white space before the sign, and one that splits cells at semicolons or tabs finds a sign in the
 * middle of a text.
 */
export function asPlainText(text: string): string {
  return text.replaceAll(FORMULA, "$1'$2");
}
