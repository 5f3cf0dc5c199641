import { CHANGE_KINDS, type FieldChanges, type FieldIssue, type Fields, type Patch } from '@bulk/domain';
import { z } from 'zod';
import { toFullPatch } from './change-fields.ts';
import { fieldIssues } from './issues.ts';

export { fieldIssues, pathText } from './issues.ts';

/** An index of an entity's collection, within an account: `accountId` precedes the fields. */
export interface EntityIndex {
  readonly fields: readonly string[];
  /** Whether two entities of an account must not share the values. Entities without the fields are exempt. */
  readonly unique?: boolean;
}

/** The definition of an entity type, as its author writes it. */
export interface EntityTypeSource {
  /** Name in the API, e.g. `contact`. */
  readonly name: string;
  /** MongoDB collection, e.g. `contacts`. */
  readonly collection: string;
  /** The fields of a whole entity, without its id. Unknown fields are refused. */
  readonly shape: Readonly<Record<string, z.ZodType>>;
  readonly indexes?: readonly EntityIndex[];
  /** The text fields by which `matchBy` may find entities. Each needs an index of its own. */
  readonly matchFields?: readonly string[];
  /** Groups of optional fields of which a whole entity needs at least one, e.g. `[['name', 'lastName']]`. */
  readonly needsOneOf?: readonly (readonly [string, ...string[]])[];
}

/** The result of validating a caller's input. */
export type Validated<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly issues: FieldIssue[] };

/** An entity type, compiled once. */
export interface EntityType {
  readonly name: string;
  readonly collection: string;
  readonly indexes: readonly EntityIndex[];
  /** The fields by which `matchBy` may find entities. */
  readonly matchFields: readonly string[];
  /** The schema of a whole entity. */
  readonly recordSchema: z.ZodObject;
  /** The schema of some of an entity's fields. An optional field may be null, which clears it. */
  readonly patchSchema: z.ZodObject;
  /** Validates some fields. A fault names the field and the expected value. */
  validatePatch(fields: Fields): Validated<Patch>;
  /**
   * Validates changes of some fields. A fault names the field, such as `city` for a value to set and `increment.city`
   * for another change.
   */
  validateChanges(changes: FieldChanges): Validated<Patch>;
  /**
   * Validates a whole entity. A null is an absent field, also if the type has a default. Faults name each invalid field
   * and each missing required one.
   */
  validateRecord(fields: Fields): Validated<Fields>;
}

/** Field names that the platform itself uses in an entity's document. */
const RESERVED: ReadonlySet<string> = new Set([
  '_id',
  'id',
  'ref',
  'accountId',
  'expectedVersion',
  'version',
  'fence',
  'createdAt',
  'updatedAt',
  'deletedAt',
  'applied',
  ...CHANGE_KINDS,
]);
const FIELD_NAME = /^[A-Za-z][A-Za-z0-9_]*$/;

/**
 * Compiles an entity type.
 *
 * @throws Error if the name of a field is reserved or could not be a key of a MongoDB document, or if a match field is
 *   no field or has no index of its own.
 */
export function defineEntityType(source: EntityTypeSource): EntityType {
  for (const field of Object.keys(source.shape)) {
    if (RESERVED.has(field) || !FIELD_NAME.test(field)) {
      throw new Error(`entity type ${source.name}: "${field}" cannot be the name of a field`);
    }
  }
  for (const field of source.matchFields ?? []) {
    const isIndexed = source.indexes?.some(({ fields }) => fields.length === 1 && fields[0] === field);
    if (!Object.hasOwn(source.shape, field) || isIndexed !== true) {
      throw new Error(`entity type ${source.name}: match field "${field}" needs an index of its own`);
    }
  }
  const patchShape = Object.fromEntries(
    Object.entries(source.shape).map(([field, schema]) => [
      field,
      schema.safeParse(undefined).success ? schema.nullable() : schema.optional(),
    ]),
  );
  const patchSchema = z.strictObject(patchShape);
  const recordSchema = z.strictObject(source.shape);
  const groups = source.needsOneOf ?? [];
  const validatePatch = (fields: Fields): Validated<Patch> => toPatch(patchSchema, groups, fields);
  const changeable = { shape: source.shape, validatePatch };
  return Object.freeze({
    name: source.name,
    collection: source.collection,
    indexes: source.indexes ?? [],
    matchFields: source.matchFields ?? [],
    recordSchema,
    patchSchema,
    validatePatch,
    validateChanges: (changes: FieldChanges) => toFullPatch(changeable, changes),
    validateRecord: (fields: Fields) => toRecord(recordSchema, groups, fields),
  });
}

type Groups = NonNullable<EntityTypeSource['needsOneOf']>;

function toPatch(schema: z.ZodObject, groups: Groups, fields: Fields): Validated<Patch> {
  const parsed = schema.safeParse(fields);
  if (!parsed.success) return { ok: false, issues: fieldIssues(parsed.error) };
  const set: Record<string, unknown> = {};
  const unset: string[] = [];
  for (const [field, value] of Object.entries(parsed.data)) {
    // A field that the caller did not name stays unchanged: a default is for a new entity.
    if (!Object.hasOwn(fields, field)) continue;
    if (value === null) unset.push(field);
    else if (value !== undefined) set[field] = value;
  }
  // It is unknown here whether the stored entity has another field of the group.
  const emptied = groups.filter(
    (group) =>
      group.some((field) => unset.includes(field)) && !group.some((field) => Object.hasOwn(set, field)),
  );
  return emptied.length === 0
    ? { ok: true, value: { set, unset } }
    : {
        ok: false,
        issues: emptied.map((group) => ({
          field: group.find((field) => unset.includes(field)) ?? group[0],
          message: `cannot be cleared unless the same change sets ${group.join(' or ')}`,
        })),
      };
}

function toRecord(schema: z.ZodObject, groups: Groups, fields: Fields): Validated<Fields> {
  const isField = (name: string): boolean => Object.hasOwn(schema.shape, name);
  const given = Object.fromEntries(
    Object.entries(fields).filter(([name, value]) => value !== null || !isField(name)),
  );
  const parsed = schema.safeParse(given);
  const missing = groups
    .filter((group) => !group.some((field) => Object.hasOwn(given, field)))
    .map((group) => ({ field: group.join(' or '), message: 'required' }));
  const issues = parsed.success
    ? []
    : fieldIssues(parsed.error).map((issue) =>
        isField(issue.field) && !Object.hasOwn(given, issue.field)
          ? { ...issue, message: 'required' }
          : issue,
      );
  if (!parsed.success || missing.length > 0) return { ok: false, issues: [...missing, ...issues] };
  const kept = Object.entries(parsed.data).filter(
    ([name, value]) => value !== undefined && fields[name] !== null,
  );
  return { ok: true, value: Object.fromEntries(kept) };
}
