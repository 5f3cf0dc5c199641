import { changeNames, type EntityType } from '@bulk/action-types';
import { BY_ID, InvalidInputError, type FieldIssue, type RowIdentity } from '@bulk/domain';
import { quoted, withoutInvisible } from './visible.ts';

/** A column of a CSV. */
export interface Column {
  /** Its name in an entity. */
  readonly name: string;
  /** Its name in the file. */
  readonly title: string;
}

export interface HeaderOptions {
  readonly entityType: EntityType;
  /** How the rows name their entities. @default by their ids */
  readonly identity?: RowIdentity | undefined;
  /** Returns the columns that the action cannot use. */
  readonly unknownColumns: (columns: readonly string[]) => readonly string[];
}

/** Names that every entity may have in addition to its fields. */
const OWN_NAMES = ['id', 'ref', 'expectedVersion'] as const;
/** Maximum number of single-character edits between a title and a suggested name. */
const MAX_DISTANCE = 4;

/** Normalises a name: case, white space, `_`, `-` and invisible characters do not count. */
export function foldName(name: string): string {
  return withoutInvisible(name)
    .normalize('NFC')
    .toLowerCase()
    .replace(/[\s_-]+/gu, '');
}

/** Returns the names that a column may have: a field, or a change of one such as `increment.score`. */
export function namesOf(entityType: EntityType): string[] {
  return [...OWN_NAMES, ...Object.keys(entityType.patchSchema.shape), ...changeNames(entityType)];
}

/**
 * Identifies each column. A title that is not exactly a name counts as the only name that equals it except for case,
 * white space, `_` and `-`.
 *
 * @returns a column for each title; undefined for an empty title at the end of the row, which must have no cells.
 * @throws InvalidInputError `INVALID_HEADER` naming every column at fault.
 */
export function columnsOf(
  titles: readonly string[],
  { entityType, identity = BY_ID, unknownColumns }: HeaderOptions,
): (Column | undefined)[] {
  const known = namesOf(entityType);
  const byFolded = groupedByFolded(known);
  const lastNamed = titles.findLastIndex((title) => withoutInvisible(title) !== '');
  const issues: FieldIssue[] = [];
  const columns = titles.map((title, i): Column | undefined => {
    const place = placeOf(i, title);
    if (i > lastNamed) return undefined;
    if (withoutInvisible(title) === '') {
      issues.push({ field: place, message: 'expected a name in the first row' });
      return undefined;
    }
    return { name: nameOf(title, known, byFolded), title };
  });
  columns.forEach((column, i) => {
    const first = columns.findIndex((other) => other !== undefined && other.name === column?.name);
    if (column === undefined || first === i) return;
    issues.push({
      field: placeOf(i, column.title),
      message: `expected each column once; column ${first + 1} is ${quoted(column.name)} already`,
    });
  });
  const names = columns.flatMap((column) => column?.name ?? []);
  const key = keyOf(identity);
  if (key !== undefined && !names.includes(key)) {
    issues.push({ field: key, message: `expected a column ${key}, found ${titles.map(quoted).join(', ')}` });
  }
  if (identity.by === 'field' && names.includes('id')) {
    issues.push({
      field: 'id',
      message: `expected no column id, because rows are matched by ${identity.field}`,
    });
  }
  const unknown = new Set(unknownColumns(names.filter((name) => !['id', 'ref', key].includes(name))));
  columns.forEach((column, i) => {
    if (column === undefined || !unknown.has(column.name)) return;
    issues.push({
      field: placeOf(i, column.title),
      message: `unknown field${suggestion(column.title, known)}`,
    });
  });
  if (issues.length > 0) {
    throw new InvalidInputError('INVALID_HEADER', 'the first row of the CSV is invalid', issues);
  }
  return columns;
}

/** Returns the column that every file must have. */
function keyOf(identity: RowIdentity): string | undefined {
  switch (identity.by) {
    case 'id':
      return 'id';
    case 'optional-id':
      return undefined;
    case 'field':
      return identity.field;
  }
}

function groupedByFolded(names: readonly string[]): Map<string, string[]> {
  const groups = new Map<string, string[]>();
  for (const name of names) groups.set(foldName(name), [...(groups.get(foldName(name)) ?? []), name]);
  return groups;
}

function placeOf(index: number, title: string): string {
  return `column ${index + 1}${title === '' ? '' : ` ${quoted(title)}`}`;
}

function nameOf(
  title: string,
  known: readonly string[],
  byFolded: ReadonlyMap<string, readonly string[]>,
): string {
  const plain = withoutInvisible(title);
  if (known.includes(plain)) return plain;
  const [only, ...others] = byFolded.get(foldName(title)) ?? [];
  return only !== undefined && others.length === 0 ? only : plain;
}

function suggestion(title: string, known: readonly string[]): string {
  const folded = foldName(title);
  let nearest: { readonly name: string; readonly distance: number } | undefined;
  for (const name of known) {
    const distance = distanceOf(folded, foldName(name));
    if (distance <= Math.min(MAX_DISTANCE, name.length) && distance < (nearest?.distance ?? Infinity))
      nearest = { name, distance };
  }
  const part = known.find((name) => folded.endsWith(foldName(name)) || folded.startsWith(foldName(name)));
  const name = part ?? nearest?.name;
  return name === undefined ? '' : `; did you mean ${quoted(name)}?`;
}

/** Returns Levenshtein's distance. */
function distanceOf(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
