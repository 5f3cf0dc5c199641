import type { Effect, Fields } from '@bulk/domain';
import { changeOf, type ModelChange } from './model-change.ts';
import {
  effectOf,
  isLiving,
  type ModelEntity,
  type ModelOutcome,
  type ModelResult,
} from './sequential-model.ts';

/** A change to undo: what it did to an entity, the version that it left, and the values before. */
export interface ModelUndone {
  readonly id: string;
  readonly effect: Effect;
  readonly version: number;
  readonly before: Fields;
}

/** Returns the rows of an undo of an action, as intake builds them from its outcomes. */
export function undoneOf({ outcomes, changes, entities }: ModelResult<ModelEntity>): ModelUndone[] {
  return outcomes.flatMap(({ position, entityId, effect }) => {
    const version = entities.get(entityId)?.version;
    const change = changes.get(position);
    if (effect === null || version === undefined || change === undefined) return [];
    return [{ id: entityId, effect, version, before: effect === 'created' ? {} : change.before }];
  });
}

/** Undoes changes of different entities in order. An entity that has another version by now stays as it is. */
export function modelUndo(
  before: ReadonlyMap<string, ModelEntity>,
  undone: readonly ModelUndone[],
): ModelResult<ModelEntity> {
  const entities = new Map(before);
  const changes = new Map<number, ModelChange>();
  const outcomes = undone.map(({ id, effect, version, before: old }, position): ModelOutcome => {
    const at = { position, entityId: id, effect: null };
    const stored = entities.get(id);
    if (stored?.version !== version || isLiving(stored) === (effect === 'deleted'))
      return { ...at, status: 'failure', code: 'CHANGED_SINCE' };
    const restored = Object.entries({ ...stored.fields, ...old }).filter(([, value]) => value !== null);
    const fields = effect === 'created' ? null : Object.fromEntries(restored);
    const next = { version: version + 1, fields };
    entities.set(id, next);
    changes.set(position, changeOf(stored.fields, fields));
    return { ...at, status: 'success', code: null, effect: effectOf(stored, next) };
  });
  return { outcomes, entities, changes };
}
