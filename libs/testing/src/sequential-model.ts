import type { EntityType } from '@bulk/action-types';
import type { Fields, OutcomeStatus } from '@bulk/domain';

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
}

/** The action types that the model knows. It does not know unique values. */
export type ModelledActionType = 'update' | 'create' | 'upsert' | 'delete';

/** The result for one entity: its next state, or the code of a failure. */
type Step = ModelEntity | string;

/**
 * Executes an action as one loop over one map: the plain sequential model with which the distributed one is compared.
 *
 * @param before entity id → the stored entity.
 * @param set `config.set`.
 */
export function modelAction(
  actionType: ModelledActionType,
  entityType: EntityType,
  before: ReadonlyMap<string, ModelEntity>,
  given: readonly GivenEntity[],
  set: Fields = {},
): ModelResult<ModelEntity> {
  const entities = new Map(before);
  const seen = new Set<string>();
  const outcomes = given.map((sent, position): ModelOutcome => {
    const { id } = sent;
    const at = { position, entityId: id };
    if (seen.has(id)) return { ...at, status: 'skipped', code: 'DUPLICATE_ENTITY' };
    seen.add(id);
    const own = Object.entries(sent).filter(([name]) => name !== 'id' && name !== 'ref');
    const next = STEPS[actionType](entityType, Object.fromEntries(own), set, entities.get(id));
    if (typeof next === 'string') return { ...at, status: 'failure', code: next };
    entities.set(id, next);
    return { ...at, status: 'success', code: null };
  });
  return { outcomes, entities };
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
  const { outcomes, entities } = modelAction('update', entityType, stored, given);
  return { outcomes, entities: new Map([...entities].map(([id, { fields }]) => [id, fields ?? {}])) };
}

const STEPS: Record<
  ModelledActionType,
  (type: EntityType, own: Fields, set: Fields, stored: ModelEntity | undefined) => Step
> = {
  update: (type, { expectedVersion, ...own }, set, stored) =>
    patched(type, own, set, expectedVersion, stored),
  create: (type, own, set, stored) => created(type, own, set, stored),
  upsert: (type, { expectedVersion, ...own }, set, stored) => {
    const next = patched(type, own, set, expectedVersion, stored);
    if (next !== 'ENTITY_NOT_FOUND') return next;
    return expectedVersion === undefined ? created(type, own, set, stored) : 'VERSION_CONFLICT';
  },
  delete: (_type, { expectedVersion, ...own }, _set, stored) => {
    if (!isVersion(expectedVersion) || Object.keys(own).length > 0) return 'INVALID_ENTITY';
    if (!isLiving(stored)) return 'ENTITY_NOT_FOUND';
    if (expectedVersion !== undefined && expectedVersion !== stored.version) return 'VERSION_CONFLICT';
    return { version: stored.version + 1, fields: null };
  },
};

function patched(
  type: EntityType,
  own: Fields,
  set: Fields,
  expectedVersion: unknown,
  stored: ModelEntity | undefined,
): Step {
  const fields = { ...set, ...own };
  const patch = type.validatePatch(fields);
  if (!isVersion(expectedVersion) || !patch.ok || Object.keys(fields).length === 0) return 'INVALID_ENTITY';
  if (!isLiving(stored)) return 'ENTITY_NOT_FOUND';
  if (expectedVersion !== undefined && expectedVersion !== stored.version) return 'VERSION_CONFLICT';
  const kept = Object.entries(stored.fields).filter(([field]) => !patch.value.unset.includes(field));
  return { version: stored.version + 1, fields: { ...Object.fromEntries(kept), ...patch.value.set } };
}

function created(type: EntityType, own: Fields, set: Fields, stored: ModelEntity | undefined): Step {
  const record = type.validateRecord({ ...set, ...own });
  if (!record.ok) return 'INVALID_ENTITY';
  if (isLiving(stored)) return 'ENTITY_EXISTS';
  return { version: (stored?.version ?? 0) + 1, fields: record.value };
}

function isLiving(stored: ModelEntity | undefined): stored is { version: number; fields: Fields } {
  return stored !== undefined && stored.fields !== null;
}

function isVersion(value: unknown): boolean {
  return value === undefined || (Number.isSafeInteger(value) && Number(value) > 0);
}
