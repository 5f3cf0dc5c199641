import type { EntityType } from '@bulk/actions';
import type { OutcomeStatus } from '@bulk/domain';

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

/** What one `update` must come to: the outcome of each position, and the entities afterwards. */
export interface ModelResult {
  readonly outcomes: readonly ModelOutcome[];
  readonly entities: ReadonlyMap<string, Readonly<Record<string, unknown>>>;
}

/**
 * An `update` as one loop over one map would do it: the plain sequential model that the distributed one is held against.
 *
 * @param before entity id → its fields.
 */
export function modelUpdate(
  entityType: EntityType,
  before: ReadonlyMap<string, Readonly<Record<string, unknown>>>,
  given: readonly GivenEntity[],
): ModelResult {
  const entities = new Map(before);
  const seen = new Set<string>();
  const outcomes = given.map((sent, position): ModelOutcome => {
    const { id } = sent;
    const fields = Object.fromEntries(
      Object.entries(sent).filter(([name]) => name !== 'id' && name !== 'ref'),
    );
    const outcome = (status: OutcomeStatus, code: string | null): ModelOutcome => ({
      position,
      entityId: id,
      status,
      code,
    });
    if (seen.has(id)) return outcome('skipped', 'DUPLICATE_ENTITY');
    seen.add(id);
    const patch = entityType.validatePatch(fields);
    if (!patch.ok || Object.keys(fields).length === 0) return outcome('failure', 'INVALID_ENTITY');
    const entity = entities.get(id);
    if (entity === undefined) return outcome('failure', 'ENTITY_NOT_FOUND');
    const kept = Object.entries(entity).filter(([field]) => !patch.value.unset.includes(field));
    entities.set(id, { ...Object.fromEntries(kept), ...patch.value.set });
    return outcome('success', null);
  });
  return { outcomes, entities };
}
