import { withoutInvisible } from './visible.ts';

/** The columns that our results add to those of the caller, in this order. */
export const OWN_COLUMNS = ['_row', '_status', '_code', '_message', '_effect', '_version', '_id'] as const;
export type OwnColumn = (typeof OWN_COLUMNS)[number];

/** Maximum number of bytes that these columns and their delimiters add to a row. */
export const OWN_BYTES = 16_384;

const TITLES: ReadonlySet<string> = new Set(OWN_COLUMNS);

/** Returns whether a title is that of a column of our results, except for white space and invisible characters. */
export function isOwnColumn(title: string): boolean {
  return TITLES.has(withoutInvisible(title));
}
