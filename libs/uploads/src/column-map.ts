import type { ColumnMap } from '@bulk/contracts';
import type { FieldIssue } from '@bulk/domain';
import { foldName, suggestedName } from './names.ts';
import { isOwnColumn } from './own-columns.ts';
import { quoted, withoutInvisible } from './visible.ts';

/** Maximum number of titles that a message lists. */
const LISTED_TITLES = 20;
const OURS = 'expected null or a column of your own: our results have a column of this title';

/** The targets of the columns of a file. */
export interface MappedTitles {
  /** The target of each mapped column, by the index of the column; null if its cells are ignored. */
  readonly targets: ReadonlyMap<number, string | null>;
  readonly issues: readonly FieldIssue[];
}

/**
 * Applies a map of columns to the titles of a file.
 *
 * A title matches the key that equals it, except for white space around it and invisible characters. A key that equals
 * no title matches the titles that equal it except for case, white space, `_` and `-`. A column of our results, such as
 * `_id`, is matched by no key.
 *
 * @param known the names that a column may have.
 * @returns an issue for each key that names no column or one of our results, and for each target that is not a known name.
 */
export function mapTitles(
  titles: readonly string[],
  columns: ColumnMap,
  known: readonly string[],
): MappedTitles {
  const exact = titles.map(withoutInvisible);
  // Without case and `_`, the title `_id` of our results would be that of a column `id`.
  const folded = titles.map((title) => (isOwnColumn(title) ? '' : foldName(title)));
  const targets = new Map<number, string | null>();
  const issues: FieldIssue[] = [];
  const keys = Object.keys(columns).map((key) => ({ key, indexes: indexesOf(exact, withoutInvisible(key)) }));
  const taken = new Set(keys.flatMap(({ indexes }) => indexes));
  for (const { key, indexes } of keys) {
    const target = columns[key] ?? null;
    if (target !== null && isOwnColumn(key)) {
      issues.push({ field: placeOf(key), message: OURS });
      continue;
    }
    const found =
      indexes.length > 0 ? indexes : indexesOf(folded, foldName(key)).filter((index) => !taken.has(index));
    if (found.length === 0) issues.push({ field: placeOf(key), message: noColumn(key, titles) });
    if (target !== null && !known.includes(target))
      issues.push({ field: placeOf(key), message: unknownTarget(target, known) });
    for (const index of found) {
      taken.add(index);
      targets.set(index, target);
    }
  }
  return { targets, issues };
}

/**
 * Finds the faults that a map has whatever the file is.
 *
 * @returns an issue for each column of our results, each target that is not a known name, and each one that an earlier
 *   column has.
 */
export function columnMapIssues(columns: ColumnMap, known: readonly string[]): FieldIssue[] {
  const issues: FieldIssue[] = [];
  const taken = new Map<string, string>();
  for (const [key, target] of Object.entries(columns)) {
    if (target === null) continue;
    if (isOwnColumn(key)) issues.push({ field: placeOf(key), message: OURS });
    const earlier = taken.get(target);
    if (!known.includes(target)) issues.push({ field: placeOf(key), message: unknownTarget(target, known) });
    else if (earlier !== undefined)
      issues.push({
        field: placeOf(key),
        message: `expected one column for each field; ${quoted(earlier)} is ${quoted(target)} already`,
      });
    taken.set(target, key);
  }
  return issues;
}

function indexesOf(titles: readonly string[], title: string): number[] {
  if (title === '') return [];
  return titles.flatMap((other, index) => (other === title ? [index] : []));
}

function placeOf(key: string): string {
  return `columns[${quoted(key)}]`;
}

function noColumn(key: string, titles: readonly string[]): string {
  const listed = titles.slice(0, LISTED_TITLES).map(quoted).join(', ');
  const more = titles.length > LISTED_TITLES ? ', …' : '';
  return `expected the title of a column, found ${listed}${more}${suggestedName(key, titles)}`;
}

function unknownTarget(target: string, known: readonly string[]): string {
  return `expected the name of a field, id, ref, expectedVersion, or null, found ${quoted(target)}${suggestedName(target, known)}`;
}
