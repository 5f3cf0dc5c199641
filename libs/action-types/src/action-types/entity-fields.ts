import type { FieldIssue, Fields, Patch } from '@bulk/domain';
import { z } from 'zod';
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

/** Validates the fields to change, of which there must be at least one. */
export function validateChange(fields: Fields, entityType: EntityType): Validated<Patch> {
  const patch = entityType.validatePatch(fields);
  return patch.ok && Object.keys(patch.value.set).length + patch.value.unset.length === 0
    ? refuse({ field: '', message: 'nothing to change: neither the entity nor config.set has a field' })
    : patch;
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
