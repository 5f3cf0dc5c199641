import type { EntityType } from '@bulk/action-types';
import type { ColumnMap } from '@bulk/contracts';
import { BY_ID, InvalidInputError, type FieldIssue, type RowIdentity } from '@bulk/domain';
import { mapTitles } from './column-map.ts';
import { split } from './delimiter.ts';
import { foldName, namesOf, suggestedName } from './names.ts';
import type { SourceFile } from './source.ts';
import { quoted, withoutInvisible } from './visible.ts';

/** A column of a CSV. */
export interface HeaderColumn {
  /** Its name in an entity; null if its cells are ignored. */
  readonly name: string | null;
  /** Its name in the file. */
  readonly title: string;
}

/** Maximum number of columns of a file. */
const MAX_COLUMNS = 4_096;

export interface HeaderOptions {
  readonly entityType: EntityType;
  /** How the rows name their entities. @default by their ids */
  readonly identity?: RowIdentity | undefined;
  /** Returns the columns that the action cannot use. */
  readonly unknownColumns: (columns: readonly string[]) => readonly string[];
  /** What the caller says about columns. Columns that it does not name count as without it. */
  readonly columns?: ColumnMap | undefined;
}

/** Returns whether a column is ignored because of its title, such as `_row`. */
function isOwn(title: string): boolean {
  return withoutInvisible(title).startsWith('_');
}

/**
 * Identifies each column, first by the caller's map. A title that starts with `_` is ignored. A title that is not exactly a name counts as the only name that equals it except for case,
 * white space, `_` and `-`.
 *
 * @returns a column for each title; undefined for an empty title at the end of the row, which must have no cells.
 * @throws InvalidInputError `INVALID_HEADER` naming every column at fault.
 */
export function columnsOf(
  titles: readonly string[],
  { entityType, identity = BY_ID, unknownColumns, columns: map = {} }: HeaderOptions,
): (HeaderColumn | undefined)[] {
  const known = namesOf(entityType);
  const byFolded = groupedByFolded(known);
  const lastNamed = titles.findLastIndex((title) => withoutInvisible(title) !== '');
  if (lastNamed >= MAX_COLUMNS) {
    throw invalidHeader([
      {
        field: placeOf(MAX_COLUMNS, titles[MAX_COLUMNS] ?? ''),
        message: `expected at most ${MAX_COLUMNS} columns, found ${lastNamed + 1}`,
      },
    ]);
  }
  const mapped = mapTitles(titles, map, known);
  const issues: FieldIssue[] = [...mapped.issues];
  const columns = titles.map((title, i): HeaderColumn | undefined => {
    const place = placeOf(i, title);
    const target = mapped.targets.get(i);
    if (target !== undefined) return { name: target, title };
    if (i > lastNamed) return undefined;
    if (withoutInvisible(title) === '') {
      issues.push({ field: place, message: 'expected a name in the first row' });
      return undefined;
    }
    return { name: isOwn(title) ? null : nameOf(title, known, byFolded), title };
  });
  const firsts = new Map<string, number>();
  columns.forEach((column, i) => {
    if (column === undefined || column.name === null) return;
    const first = firsts.get(column.name);
    if (first === undefined) {
      firsts.set(column.name, i);
      return;
    }
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
    if (column === undefined || column.name === null || !unknown.has(column.name)) return;
    issues.push({
      field: placeOf(i, column.title),
      message: mapped.targets.has(i)
        ? `this action cannot use ${quoted(column.name)}`
        : `unknown field${suggestedName(column.title, known)}`,
    });
  });
  if (issues.length > 0) throw invalidHeader(issues);
  return columns;
}

/** Returns the names of the columns of a file that was accepted, from its header as text. */
export function namesInHeader(
  { header, delimiter, columns = {} }: Pick<SourceFile, 'header' | 'delimiter' | 'columns'>,
  entityType: EntityType,
): ReadonlySet<string> {
  const titles = split(header, delimiter);
  const known = namesOf(entityType);
  const byFolded = groupedByFolded(known);
  const { targets } = mapTitles(titles, columns, known);
  return new Set(
    titles.flatMap((title, i) => {
      const target = targets.get(i);
      if (target !== undefined) return target ?? [];
      return isOwn(title) ? [] : nameOf(title, known, byFolded);
    }),
  );
}

function invalidHeader(issues: readonly FieldIssue[]): InvalidInputError {
  return new InvalidInputError('INVALID_HEADER', 'the first row of the CSV is invalid', issues);
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
