import {
  CHANGE_KINDS,
  LIST_KINDS,
  protoKeys,
  relativeValue,
  type ChangeKind,
  type FieldChanges,
  type FieldIssue,
  type Fields,
  type Patch,
  type RelativeChange,
} from '@bulk/domain';
import { z } from 'zod';
import { fieldIssues } from './issues.ts';

const MAX_LIST_VALUES = 1_000;
const list = z
  .array(z.unknown(), 'expected a list')
  .min(1, 'expected at least one value')
  .max(MAX_LIST_VALUES, `expected at most ${MAX_LIST_VALUES} values`);
const fieldMap = <Value extends z.ZodType>(value: Value) =>
  z.record(z.string(), value, 'expected an object with a value for each field');

/** The form of each kind of change. The entity type checks the fields and their values. */
export const changeShapes = {
  set: fieldMap(z.unknown()).optional(),
  unset: z.array(z.string('expected the name of a field'), 'expected a list of fields').optional(),
  increment: fieldMap(z.number('expected a number')).optional(),
  addToList: fieldMap(list).optional(),
  removeFromList: fieldMap(list).optional(),
} as const satisfies Record<ChangeKind, z.ZodType>;

const changesSchema = z.strictObject(changeShapes);

/** A field and the way in which it is changed. */
interface NamedChange {
  readonly kind: ChangeKind;
  readonly field: string;
}

/** Returns the fields that an entity has after relative changes if it had none of them before. */
export function fieldsFromNothing(relative: NonNullable<Patch['relative']>): Fields {
  const fields = Object.entries(relative).map(([field, change]): [string, unknown] => {
    const result = relativeValue(change, undefined);
    return [field, result.ok ? result.value : undefined];
  });
  return Object.fromEntries(fields.filter(([, value]) => value !== undefined));
}

/** Returns the fields that changes set, with null for those that they clear. */
export function plainFields({ set, unset = [] }: FieldChanges): Fields {
  return { ...set, ...Object.fromEntries(unset.map((field): [string, null] => [field, null])) };
}

/** Returns whether changes name any field. */
export function namesFields(changes: FieldChanges): boolean {
  return namedChanges(changes).length > 0;
}

/** Returns whether changes do more than set fields. */
export function isMoreThanSet(changes: FieldChanges): boolean {
  return CHANGE_KINDS.some((kind) => kind !== 'set' && changes[kind] !== undefined);
}

/** Parses the form of changes. @returns the faults if it is invalid. */
export function parseChanges(
  sent: Fields,
):
  | { readonly ok: true; readonly value: FieldChanges }
  | { readonly ok: false; readonly issues: FieldIssue[] } {
  // zod's copy would lack them.
  const issues = protoKeys(sent);
  if (issues.length > 0) return { ok: false, issues };
  const parsed = changesSchema.safeParse(sent);
  return parsed.success ? { ok: true, value: parsed.data } : { ok: false, issues: fieldIssues(parsed.error) };
}

/** Combines changes for all entities with those of one entity. The entity's own change of a field wins, of any kind. */
export function mergeChanges(common: FieldChanges, own: FieldChanges): FieldChanges {
  const named = new Set(namedChanges(own).map(({ field }) => field));
  if (named.size === 0) return common;
  const rest = <T>(fields: Readonly<Record<string, T>> | undefined): Record<string, T> =>
    Object.fromEntries(Object.entries(fields ?? {}).filter(([field]) => !named.has(field)));
  return {
    set: { ...rest(common.set), ...own.set },
    unset: [...(common.unset ?? []).filter((field) => !named.has(field)), ...(own.unset ?? [])],
    increment: { ...rest(common.increment), ...own.increment },
    addToList: { ...rest(common.addToList), ...own.addToList },
    removeFromList: { ...rest(common.removeFromList), ...own.removeFromList },
  };
}

/** The fields of an entity type, with what relative changes need to know. */
export interface ChangeableFields {
  readonly shape: Readonly<Record<string, z.core.$ZodType>>;
  /** Validates fields to set, with null for those to clear. */
  validatePatch(
    fields: Fields,
  ): { readonly ok: true; readonly value: Patch } | { readonly ok: false; readonly issues: FieldIssue[] };
}

/**
 * Validates changes against the fields of an entity type.
 *
 * @returns the patch, or the faults: `city` for a field to set, `increment.city` for another change.
 */
export function toFullPatch(
  type: ChangeableFields,
  changes: FieldChanges,
): { readonly ok: true; readonly value: Patch } | { readonly ok: false; readonly issues: FieldIssue[] } {
  const named = namedChanges(changes);
  const issues = [
    ...repeated(named),
    ...named.filter(({ kind }) => kind !== 'set').flatMap((one) => fieldFault(type.shape, one)),
  ];
  const parsed = issues.length === 0 ? parseRelative(type.shape, changes) : NO_RELATIVE;
  issues.push(...parsed.issues);
  const patch = type.validatePatch(issues.length === 0 ? plainFields(changes) : (changes.set ?? {}));
  if (!patch.ok || issues.length > 0) {
    const unset = new Set(changes.unset);
    const ofPatch = (patch.ok ? [] : patch.issues).map((issue) =>
      unset.has(issue.field) ? { ...issue, field: `unset.${issue.field}` } : issue,
    );
    return { ok: false, issues: [...issues, ...ofPatch] };
  }
  const { relative } = parsed;
  const isPlain = Object.keys(relative).length === 0;
  return { ok: true, value: isPlain ? patch.value : { ...patch.value, relative } };
}

/** Returns the schema of a field; undefined if there is no such field. */
export function schemaOf(shape: ChangeableFields['shape'], field: string): z.core.$ZodType | undefined {
  return Object.hasOwn(shape, field) ? shape[field] : undefined;
}

/** Returns whether a field can be changed in a way. */
export function canChange(schema: z.core.$ZodType, kind: ChangeKind): boolean {
  const { def } = plain(schema)._zod;
  switch (kind) {
    case 'set':
      return true;
    case 'unset':
      return z.safeParse(schema, undefined).success;
    case 'increment':
      return def.type === 'number';
    case 'addToList':
    case 'removeFromList':
      return def.type === 'array';
  }
}

const EXPECTED: Readonly<Record<ChangeKind, string>> = {
  set: '',
  unset: 'a required field cannot be cleared',
  increment: 'only a number can be incremented',
  addToList: 'expected a field that is a list',
  removeFromList: 'expected a field that is a list',
};

function namedChanges(changes: FieldChanges): NamedChange[] {
  return CHANGE_KINDS.flatMap((kind) => {
    const fields = kind === 'unset' ? (changes.unset ?? []) : Object.keys(changes[kind] ?? {});
    return fields.map((field) => ({ kind, field }));
  });
}

function repeated(named: readonly NamedChange[]): FieldIssue[] {
  const first = new Map<string, ChangeKind>();
  return named.flatMap(({ kind, field }) => {
    const other = first.get(field);
    if (other === undefined) first.set(field, kind);
    return other === undefined
      ? []
      : [{ field: `${kind}.${field}`, message: `expected each field once; it is in ${other} too` }];
  });
}

function fieldFault(shape: ChangeableFields['shape'], { kind, field }: NamedChange): FieldIssue[] {
  const schema = schemaOf(shape, field);
  if (schema === undefined) return [{ field: `${kind}.${field}`, message: 'unknown field' }];
  return canChange(schema, kind) ? [] : [{ field: `${kind}.${field}`, message: EXPECTED[kind] }];
}

interface ParsedRelative {
  readonly relative: NonNullable<Patch['relative']>;
  readonly issues: readonly FieldIssue[];
}

const NO_RELATIVE: ParsedRelative = { relative: {}, issues: [] };

/** Parses relative changes, and finds values that no stored value would make valid. */
function parseRelative(
  shape: ChangeableFields['shape'],
  { increment = {}, addToList = {}, removeFromList = {} }: FieldChanges,
): ParsedRelative {
  const relative: Record<string, RelativeChange> = {};
  const issues: FieldIssue[] = [];
  for (const [field, by] of Object.entries(increment)) {
    relative[field] = { kind: 'increment', by };
    if (takesOnlyWhole(shape[field]) && !Number.isSafeInteger(by))
      issues.push({ field: `increment.${field}`, message: 'expected a whole number' });
  }
  const lists = { addToList, removeFromList };
  for (const kind of LIST_KINDS)
    for (const [field, given] of Object.entries(lists[kind])) {
      const values = given.map((value, i) => {
        const parsed = parseElement(shape[field], value);
        if (!parsed.success) issues.push(...fieldIssues(parsed.error, [kind, field, i]));
        return parsed.data;
      });
      relative[field] = { kind, values };
    }
  return { relative, issues };
}

function takesOnlyWhole(schema: z.core.$ZodType | undefined): boolean {
  if (schema === undefined) return false;
  const number = plain(schema);
  return number instanceof z.ZodNumber && number.format?.includes('int') === true;
}

/** Parses an element as the list of a field has it. */
function parseElement(schema: z.core.$ZodType | undefined, value: unknown): z.ZodSafeParseResult<unknown> {
  const array = schema === undefined ? undefined : plain(schema);
  return array instanceof z.ZodArray ? z.safeParse(array.element, value) : { success: true, data: value };
}

/** Returns the schema of a field's values without what makes it optional. */
export function plain(schema: z.core.$ZodType): z.core.$ZodType {
  if (
    schema instanceof z.ZodOptional ||
    schema instanceof z.ZodNullable ||
    schema instanceof z.ZodDefault ||
    schema instanceof z.ZodReadonly
  )
    return plain(schema.unwrap());
  return schema;
}
