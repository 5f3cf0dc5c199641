import { changeNames, type EntityType } from '@bulk/action-types';
import { quoted, withoutInvisible } from './visible.ts';

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

/** Returns the end of a message that suggests the name that was probably meant; empty if none is near. */
export function suggestedName(title: string, known: readonly string[]): string {
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
