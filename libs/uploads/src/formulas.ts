/** The text of a cell that clears a field, as in Salesforce's bulk files. */
export const CSV_NULL = '#N/A';

/** What may stand within a value of a spreadsheet without a meaning. */
const BLANK = String.raw`(?:(?![\t\r\n])[\s\p{C}"'])`;
/**
 * Matches the places where a spreadsheet could start a cell that it takes for a formula: the start of a text, or the
 * place behind a character that separates cells in some locale. White space, invisible characters, quotes and apostrophes
 * may stand before the sign.
 */
const START = String.raw`(^|[;\t\r\n])`;
const FORMULA = String.raw`(?=${BLANK}*[=+\-@\uFF1D\uFF0B\uFF0D\uFF20])`;
/**
 * Matches a whole text that a spreadsheet could take for a number, a date or a time: a digit, and behind it only digits and
 * the characters of such values. Apostrophes may stand before it, so that the texts that already have some are escaped too.
 */
const NUMBER = String.raw`(?=(?:${BLANK}|[.,(#\p{Sc}])*\p{Nd}(?:${BLANK}|[\p{Nd}\p{Sc}.,:/%()’_+\-−–eEtTzZaApPmM])*$)`;
/** Matches the text that clears a field. */
const NULL = String.raw`(?='*${CSV_NULL}$)`;
const UNESCAPED = new RegExp(`${START}${FORMULA}|^(?:${NUMBER}|${NULL})`, 'gu');
const ESCAPED = new RegExp(`${START}'${FORMULA}|^'(?:${NUMBER}|${NULL})`, 'gu');

/**
 * Puts an apostrophe before each part of a text that a spreadsheet would take for a formula, before a text that it would
 * turn into a number or a date, and before the text that clears a field in an upload. `unescapeFormulas` restores every text.
 */
export function escapeFormulas(text: string): string {
  return text.replaceAll(UNESCAPED, "$1'");
}

/** Removes the apostrophes that `escapeFormulas` has put into a text. */
export function unescapeFormulas(text: string): string {
  return text.replaceAll(ESCAPED, '$1');
}
