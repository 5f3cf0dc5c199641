import { isDeepStrictEqual } from 'node:util';
import type { EntityType } from '@bulk/action-types';
import type { Effect, FieldChanges, Fields, OutcomeStatus } from '@bulk/domain';
import { changeOf, type ModelChange } from './model-change.ts';

/** An entity as a test sends it. */
export interface GivenEntity {
  readonly id: string;
  readonly ref?: string;
  readonly [field: string]: unknown;
}

export interface ModelOutcome {
  readonly position: number;
  readonly entityId: string;
  readonly status: OutcomeStatus;
  readonly code: string | null;
  /** What a success did; null otherwise. An update that only sets fields counts as one, whatever they were before. */
  readonly effect: Effect | null;
}

/** An entity, or what remains of a deleted one: no fields, and a version that continues. */
export interface ModelEntity {
  readonly version: number;
  readonly fields: Fields | null;
}

/** The expected result of an action: the outcome of each position, and the entities afterwards. */
export interface ModelResult<Stored = Fields> {
  readonly outcomes: readonly ModelOutcome[];
  readonly entities: ReadonlyMap<string, Stored>;
  /** Position → the values before and after of each changed field. */
  readonly changes: ReadonlyMap<number, ModelChange>;
}

/** The action types that the model knows. It does not know unique values. */
export type ModelledActionType = 'update' | 'create' | 'upsert' | 'delete';

/** The result for one entity: its next state, or the code of a failure. */
type Step = ModelEntity | string;

/**
 * Executes an action as one loop over one map: the plain sequential model with which the distributed one is compared.
 *
 * @param before entity id → the stored entity.
 * @param config the config of the action.
 * @param keepsValues whether the action keeps values, so that a `set` of what is there leaves an entity unchanged.
 */
export function modelAction(
  actionType: ModelledActionType,
  entityType: EntityType,
  before: ReadonlyMap<string, ModelEntity>,
  given: readonly GivenEntity[],
  config: FieldChanges = {},
  keepsValues = false,
): ModelResult<ModelEntity> {
  const entities = new Map(before);
  const changes = new Map<number, ModelChange>();
  const seen = new Set<string>();
  const outcomes = given.map((sent, position): ModelOutcome => {
    const { id } = sent;
    const at = { position, entityId: id, effect: null };
    if (seen.has(id)) return { ...at, status: 'skipped', code: 'DUPLICATE_ENTITY' };
    seen.add(id);
    const own = Object.entries(sent).filter(([name]) => name !== 'id' && name !== 'ref');
    const stored = entities.get(id);
    const next = STEPS[actionType](entityType, Object.fromEntries(own), config, stored);
    if (typeof next === 'string') return { ...at, status: 'failure', code: next };
    const isSame = keepsValues && isLiving(stored) && isDeepStrictEqual(stored.fields, next.fields);
    const after = isSame ? stored : next;
    entities.set(id, after);
    if (!isSame) changes.set(position, changeOf(stored?.fields ?? null, after.fields));
    return { ...at, status: 'success', code: null, effect: effectOf(stored, after) };
  });
  return { outcomes, entities, changes };
}

/**
 * Executes an `update` without versions.
 *
 * @param before entity id → its fields.
 */
export function modelUpdate(
  entityType: EntityType,
  before: ReadonlyMap<string, Fields>,
  given: readonly GivenEntity[],
): ModelResult {
  const stored = new Map([...before].map(([id, fields]) => [id, { version: 1, fields }]));
  const { outcomes, entities, changes } = modelAction('update', entityType, stored, given);
  return {
    outcomes,
    changes,
    entities: new Map([...entities].map(([id, { fields }]) => [id, fields ?? {}])),
  };
}

/** Returns what a change did to an entity. */
export function effectOf(before: ModelEntity | undefined, after: ModelEntity): Effect {
  if (after.fields === null) return 'deleted';
  if (!isLiving(before)) return 'created';
  return before.version === after.version ? 'unchanged' : 'updated';
}

const STEPS: Record<
  ModelledActionType,
  (type: EntityType, own: Fields, config: FieldChanges, stored: ModelEntity | undefined) => Step
> = {
  update: (type, { expectedVersion, ...own }, config, stored) =>
    patched(type, changesOf(own, config), expectedVersion, stored),
  create: (type, own, { set }, stored) => created(type, { ...set, ...own }, stored),
  upsert: (type, { expectedVersion, ...own }, config, stored) => {
    const changes = changesOf(own, config);
    const next = patched(type, changes, expectedVersion, stored);
    if (next !== 'ENTITY_NOT_FOUND') return next;
    if (expectedVersion !== undefined) return 'VERSION_CONFLICT';
    return created(type, relativeTo({}, changes), stored);
  },
  delete: (_type, { expectedVersion, ...own }, _config, stored) => {
    if (!isVersion(expectedVersion) || Object.keys(own).length > 0) return 'INVALID_ENTITY';
    if (!isLiving(stored)) return 'ENTITY_NOT_FOUND';
    if (expectedVersion !== undefined && expectedVersion !== stored.version) return 'VERSION_CONFLICT';
    return { version: stored.version + 1, fields: null };
  },
};

type Changes = Required<{ [Kind in keyof FieldChanges]: NonNullable<FieldChanges[Kind]> }>;

const NO_CHANGES: Changes = { set: {}, unset: [], increment: {}, addToList: {}, removeFromList: {} };

/** Combines the config with what an entity brings, whose own change of a field wins. A null is a field to clear. */
function changesOf(own: Fields, config: FieldChanges): Changes {
  const { unset, increment, addToList, removeFromList, set, ...plain } = own;
  const sent = { ...NO_CHANGES, ...given({ unset, increment, addToList, removeFromList }) };
  const mine = { ...sent, set: { ...plain, ...(set as Fields | undefined) } };
  const isMine = (field: string): boolean => mine.unset.includes(field) || named(mine).includes(field);
  const common = { ...NO_CHANGES, ...given({ ...config }) };
  const others = <T>(fields: Readonly<Record<string, T>>): Record<string, T> =>
    Object.fromEntries(Object.entries(fields).filter(([field]) => !isMine(field)));
  return {
    set: { ...others(common.set), ...mine.set },
    unset: [...common.unset.filter((field) => !isMine(field)), ...mine.unset],
    increment: { ...others(common.increment), ...mine.increment },
    addToList: { ...others(common.addToList), ...mine.addToList },
    removeFromList: { ...others(common.removeFromList), ...mine.removeFromList },
  };
}

function given(changes: Readonly<Record<string, unknown>>): Partial<Changes> {
  return Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined));
}

function named({ set, increment, addToList, removeFromList }: Changes): string[] {
  return [set, increment, addToList, removeFromList].flatMap((fields) => Object.keys(fields));
}

function pick(fields: Fields, names: readonly string[]): Fields {
  return Object.fromEntries(names.map((name) => [name, fields[name]]));
}

/** Returns the fields after changes; null for a field that is cleared. */
function relativeTo(fields: Fields, changes: Changes): Fields {
  const after: Record<string, unknown> = { ...fields, ...changes.set };
  for (const field of changes.unset) after[field] = null;
  for (const [field, by] of Object.entries(changes.increment)) {
    after[field] = Number(after[field] ?? 0) + by;
  }
  for (const [field, values] of Object.entries(changes.addToList)) {
    const list = [...listOf(after[field])];
    for (const value of values) if (!list.includes(value)) list.push(value);
    after[field] = list;
  }
  for (const [field, values] of Object.entries(changes.removeFromList))
    if (after[field] !== undefined)
      after[field] = listOf(after[field]).filter((value) => !values.includes(value));
  return after;
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function patched(
  type: EntityType,
  changes: Changes,
  expectedVersion: unknown,
  stored: ModelEntity | undefined,
): Step {
  const fields = [...named(changes), ...changes.unset];
  const isOnce = new Set(fields).size === fields.length;
  // Whether a number ends up in range is known only of a stored entity.
  const isNumber = (field: string): boolean => Object.hasOwn(changes.increment, field);
  const fromNothing = pick(
    relativeTo({}, changes),
    fields.filter((field) => !isNumber(field)),
  );
  if (!isVersion(expectedVersion) || fields.length === 0 || !isOnce || !type.validatePatch(fromNothing).ok)
    return 'INVALID_ENTITY';
  if (!isLiving(stored)) return 'ENTITY_NOT_FOUND';
  if (expectedVersion !== undefined && expectedVersion !== stored.version) return 'VERSION_CONFLICT';
  const patch = type.validatePatch(pick(relativeTo(stored.fields, changes), fields));
  if (!patch.ok) return 'INVALID_ENTITY';
  const kept = Object.entries(stored.fields).filter(([field]) => !patch.value.unset.includes(field));
  const next = { ...Object.fromEntries(kept), ...patch.value.set };
  const { increment, addToList, removeFromList } = changes;
  const isRelative = [increment, addToList, removeFromList].some((one) => Object.keys(one).length > 0);
  const isSame = isRelative && isDeepStrictEqual(next, stored.fields);
  return { version: stored.version + (isSame ? 0 : 1), fields: next };
}

function created(type: EntityType, fields: Fields, stored: ModelEntity | undefined): Step {
  const record = type.validateRecord(fields);
  if (!record.ok) return 'INVALID_ENTITY';
  if (isLiving(stored)) return 'ENTITY_EXISTS';
  return { version: (stored?.version ?? 0) + 1, fields: record.value };
}

/** Returns whether an entity exists, and is not only the remains of a deleted one. */
export function isLiving(stored: ModelEntity | undefined): stored is { version: number; fields: Fields } {
  return stored !== undefined && stored.fields !== null;
}

function isVersion(value: unknown): boolean {
  return value === undefined || (Number.isSafeInteger(value) && Number(value) > 0);
}
