import type { ChangeResult, EntityChange, UpdateChange, UpsertChange } from './entity-change.ts';
import type { Fields } from './entity.ts';
import { isLiving, recordOf, verdictOf, type ChangeScope, type EntityState } from './entity-verdict.ts';
import type { FieldIssue } from './errors.ts';
import type { Trail } from './fence.ts';
import { changesText, type ChangedFields, type KeepChanges } from './kept-changes.ts';
import { equalValues, relativeValue } from './relative-change.ts';

/** A stored entity with the fields that a change concerns. */
export type StoredEntity = EntityState & Fields;

/** Validates some fields of an entity. */
export type FieldsValidator = (
  fields: Fields,
) =>
  | { readonly ok: true; readonly value: { readonly set: Fields } }
  | { readonly ok: false; readonly issues: FieldIssue[] };

/** The scope of a change, with the rules of its entity type. */
export interface ResolveScope extends ChangeScope {
  readonly entityType: ChangeScope['entityType'] & {
    readonly validatePatch: FieldsValidator;
    /** The schema of a whole entity, whose shape names its fields. */
    readonly recordSchema: { readonly shape: Readonly<Record<string, unknown>> };
  };
  /** What the results keep of the changes; absent: nothing. */
  readonly changes?: KeepChanges | undefined;
}

/** The write that a change amounts to for the entity as it was read. */
export interface ResolvedWrite extends Trail {
  readonly kind: 'write';
  /** The fields to set; of a created entity, all. */
  readonly set: Fields;
  readonly unset: readonly string[];
}

/** What a change amounts to: the write, or its result if there is nothing to write. */
export type Resolved = ResolvedWrite | { readonly kind: 'result'; readonly result: ChangeResult };

/**
 * Computes what a change amounts to for a stored entity. The write holds only as long as the entity has the version that
 * was read, so that version belongs into its filter.
 *
 * @param stored the entity with every field that the change names; undefined if there is none.
 * @throws SupersededError if a later batch of the lane has changed the entity (G5).
 */
export function resolveChange(
  scope: ResolveScope,
  change: EntityChange,
  stored: StoredEntity | undefined,
): Resolved {
  const verdict = verdictOf(scope, change, stored);
  if (verdict !== undefined) return { kind: 'result', result: verdict };
  const version = (stored?.version ?? 0) + 1;
  if (change.kind === 'create' || !isLiving(stored)) {
    const set = recordOf(change) ?? {};
    const fields = Object.keys(set);
    const kept = keptOf(scope, { effect: 'created', fields, before: {}, after: set });
    return { kind: 'write', effect: 'created', version, set, unset: [], ...kept };
  }
  if (change.kind === 'delete') {
    const fields = fieldsOf(scope).filter((field) => stored[field] !== undefined);
    const kept = keptOf(scope, { effect: 'deleted', fields, before: stored, after: {} });
    return { kind: 'write', effect: 'deleted', version, set: {}, unset: [], ...kept };
  }
  return patched(scope, change, stored);
}

/** Returns what the result keeps of a write. */
function keptOf({ changes }: ResolveScope, changed: ChangedFields): Pick<Trail, 'changes'> {
  const text = changesText(changes, changed);
  return text === undefined ? {} : { changes: text };
}

function fieldsOf({ entityType }: ResolveScope): string[] {
  return Object.keys(entityType.recordSchema.shape);
}

function patched(scope: ResolveScope, change: UpdateChange | UpsertChange, stored: StoredEntity): Resolved {
  const relative = relativeFields(scope, change, stored);
  if (!relative.ok) return { kind: 'result', result: { kind: 'invalid', issues: relative.issues } };
  const set = Object.entries({ ...change.set, ...relative.set }).filter(
    ([field, value]) => !equalValues(stored[field], value),
  );
  const unset = change.unset.filter((field) => stored[field] !== undefined);
  const isChanged = set.length + unset.length > 0;
  const effect = isChanged ? 'updated' : 'unchanged';
  const after = Object.fromEntries(set);
  const fields = [...Object.keys(after), ...unset];
  return {
    kind: 'write',
    effect,
    version: isChanged ? stored.version + 1 : stored.version,
    set: after,
    unset,
    ...keptOf(scope, { effect, fields, before: stored, after }),
  };
}

type RelativeFields =
  { readonly ok: true; readonly set: Fields } | { readonly ok: false; readonly issues: FieldIssue[] };

/** Computes and validates the values that the relative changes lead to. */
function relativeFields(
  { entityType }: ResolveScope,
  { relative = {} }: UpdateChange | UpsertChange,
  stored: StoredEntity,
): RelativeFields {
  const values: Record<string, unknown> = {};
  const issues: FieldIssue[] = [];
  for (const [field, change] of Object.entries(relative)) {
    const result = relativeValue(change, stored[field]);
    if (!result.ok) issues.push({ field, message: result.message });
    else if (result.value !== undefined && !equalValues(result.value, stored[field]))
      values[field] = result.value;
  }
  const valid = entityType.validatePatch(values);
  if (valid.ok && issues.length === 0) return { ok: true, set: valid.value.set };
  const invalid = valid.ok ? [] : valid.issues;
  return {
    ok: false,
    issues: [...issues, ...invalid.map(({ field, message }) => wouldBe(field, values, message))],
  };
}

function wouldBe(field: string, values: Fields, message: string): FieldIssue {
  const value = values[field];
  return typeof value === 'number'
    ? { field, message: `would become ${value}: ${message}` }
    : { field, message };
}

/** Returns the fields that must be read to resolve a change: those that it names, and all if a deletion is kept. */
export function fieldsNamedBy(scope: ResolveScope, change: EntityChange): readonly string[] {
  if (change.kind === 'delete') return scope.changes === undefined ? [] : fieldsOf(scope);
  if (change.kind === 'create') return [];
  return [...Object.keys(change.set), ...change.unset, ...Object.keys(change.relative ?? {})];
}
