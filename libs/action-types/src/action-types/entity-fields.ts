import {
  CHANGE_KINDS,
  RELATIVE_KINDS,
  type ChangeKind,
  type FieldChanges,
  type FieldIssue,
  type Fields,
  type Patch,
} from '@bulk/domain';
import { z } from 'zod';
import {
  canChange,
  fieldsFromNothing,
  isMoreThanSet,
  mergeChanges,
  namesFields,
  parseChanges,
  plainFields,
  schemaOf,
} from '../change-fields.ts';
import type { EntityType, Validated } from '../entity-type.ts';

/**
 * The name under which a caller states the version that an entity must have. No entity type has a field of this name.
 */
export const EXPECTED_VERSION = 'expectedVersion';

/** Names that every entity may have in addition to its fields. */
const IDENTITY: ReadonlySet<string> = new Set(['id', 'ref']);

const versionSchema = z.int().min(1).optional();

/** The parts of an entity that a caller sent. */
export interface OwnFields {
  readonly fields: Fields;
  /** The version that the entity must have; undefined: any version. */
  readonly expectedVersion: Validated<number | undefined>;
}

/** Separates `expectedVersion` from the fields that a caller sent. */
export function takeExpectedVersion(sent: Fields): OwnFields {
  const { [EXPECTED_VERSION]: given, ...fields } = sent;
  const parsed = versionSchema.safeParse(given);
  return {
    fields,
    expectedVersion: parsed.success
      ? { ok: true, value: parsed.data }
      : refuse({ field: EXPECTED_VERSION, message: 'expected a positive integer' }),
  };
}

/** The change of an entity, from the config of the action and from what the caller sent for the entity. */
export interface PlannedChange {
  readonly patch: Validated<Patch>;
  /** The fields of the entity if it did not exist before; null for an absent one. Incomplete if the patch is invalid. */
  readonly fields: Fields;
}

/** Plans the change of an entity. At least one field must change. An entity's own change of a field wins. */
export function planChange(own: Fields, config: FieldChanges, entityType: EntityType): PlannedChange {
  const kinds = CHANGE_KINDS.filter((kind) => Object.hasOwn(own, kind));
  if (kinds.length === 0 && !isMoreThanSet(config)) {
    const fields = { ...config.set, ...own };
    return {
      patch: validated(Object.keys(fields).length > 0, () => entityType.validatePatch(fields)),
      fields,
    };
  }
  const changes = parseOwn(own, kinds);
  if (!changes.ok) return { patch: changes, fields: {} };
  const merged = mergeChanges(config, changes.value);
  const patch = validated(namesFields(merged), () => entityType.validateChanges(merged));
  const relative = patch.ok ? fieldsFromNothing(patch.value.relative ?? {}) : {};
  // A cleared field of a new entity is absent, even if its type has a default.
  return { patch, fields: { ...plainFields(merged), ...relative } };
}

function validated(hasFields: boolean, validate: () => Validated<Patch>): Validated<Patch> {
  return hasFields
    ? validate()
    : refuse({ field: '', message: 'nothing to change: neither the entity nor the config names a field' });
}

/** Combines the plain fields of an entity with its changes by kind. */
function parseOwn(own: Fields, kinds: readonly ChangeKind[]): Validated<FieldChanges> {
  const isKind = (name: string): boolean => kinds.some((kind) => kind === name);
  const plain = Object.fromEntries(Object.entries(own).filter(([name]) => !isKind(name)));
  const parsed = parseChanges(Object.fromEntries(kinds.map((kind) => [kind, own[kind]])));
  if (!parsed.ok) return parsed;
  const { set = {} } = parsed.value;
  const twice = Object.keys(set).filter((field) => Object.hasOwn(plain, field));
  return twice.length > 0
    ? refuse(
        ...twice.map((field) => ({
          field: `set.${field}`,
          message: 'expected each field once; it is a field of the entity too',
        })),
      )
    : { ok: true, value: { ...parsed.value, set: { ...plain, ...set } } };
}

/** Returns the names that are neither a field of the entity type, nor an entity's identity, nor among `others`. */
export function namesBeside(
  names: readonly string[],
  entityType: EntityType,
  ...others: readonly string[]
): string[] {
  return names.filter(
    (name) =>
      !IDENTITY.has(name) && !others.includes(name) && !Object.hasOwn(entityType.recordSchema.shape, name),
  );
}

/** Returns the names that neither `namesBeside` knows nor name a change of a field, such as `increment.score`. */
export function namesBesideChanges(
  names: readonly string[],
  entityType: EntityType,
  ...others: readonly string[]
): string[] {
  const isChange = (name: string): boolean => changeOf(name, entityType) !== undefined;
  return namesBeside(names, entityType, ...others).filter((name) => !isChange(name));
}

/** A change of one field, named by one text. */
export interface NamedFieldChange {
  readonly kind: (typeof RELATIVE_KINDS)[number];
  readonly field: string;
}

/**
 * Returns the change that a name such as `increment.score` stands for; undefined if it is none, or the field cannot be
 * changed in that way.
 */
export function changeOf(name: string, { recordSchema }: EntityType): NamedFieldChange | undefined {
  const kind = RELATIVE_KINDS.find((one) => name.startsWith(`${one}.`));
  if (kind === undefined) return undefined;
  const field = name.slice(kind.length + 1);
  const schema = schemaOf(recordSchema.shape, field);
  return schema !== undefined && canChange(schema, kind) ? { kind, field } : undefined;
}

/** Returns the names of all changes of one field that an entity type allows. */
export function changeNames(entityType: EntityType): string[] {
  const fields = Object.keys(entityType.recordSchema.shape);
  return RELATIVE_KINDS.flatMap((kind) => fields.map((field) => `${kind}.${field}`)).filter(
    (name) => changeOf(name, entityType) !== undefined,
  );
}

/** Returns the names that are neither an entity's identity nor `expectedVersion`. */
export function namesBesideVersion(names: readonly string[]): string[] {
  return names.filter((name) => !IDENTITY.has(name) && name !== EXPECTED_VERSION);
}

/** Returns a refusal with these faults. */
export function refuse(...issues: FieldIssue[]): { readonly ok: false; readonly issues: FieldIssue[] } {
  return { ok: false, issues };
}

/** Returns the faults of several validations. */
export function issuesOf(...validated: readonly Validated<unknown>[]): FieldIssue[] {
  return validated.flatMap((one) => (one.ok ? [] : one.issues));
}
