import {
  effectSchema,
  failure,
  OUTCOME_CODES,
  type Entity,
  type EntityChange,
  type Fields,
  type Outcome,
} from '@bulk/domain';
import { z } from 'zod';
import type { EntityType, Validated } from '../entity-type.ts';
import type { ActionContext, ActionPayload, BulkActionHandler } from '../handler.ts';
import { fieldIssues } from '../issues.ts';
import { carryOut, single, type Plan } from './carry-out.ts';
import { refuse } from './entity-fields.ts';
import { parseConfig } from './set-config.ts';

const configSchema = z
  .strictObject({})
  .meta({ description: 'No settings: the outcomes of the undone action say what is put back.' });
export type UndoConfig = z.infer<typeof configSchema>;

/** The row of an undo: what the action did to it, the version that it left, and the values before. */
export const undoneChangeSchema = z.strictObject({
  effect: effectSchema.exclude(['unchanged']),
  version: z.int().positive(),
  before: z.record(z.string(), z.unknown()),
});
export type UndoneChange = z.infer<typeof undoneChangeSchema>;

/** The name of the action type that undoes another action. */
export const UNDO = 'undo';

/**
 * Puts back what was there before an action. Each change expects the version that the action left, so a record that has
 * changed since stays as it is. Each change leaves a mark, so that a replay reports the change that was made.
 *
 * The values that are put back are those that were stored, so the rules of the entity type are not applied to them.
 */
export class UndoHandler implements BulkActionHandler<UndoConfig> {
  readonly actionType = UNDO;
  readonly isInternal = true;

  getConfigSchema(): z.ZodType<UndoConfig> {
    return configSchema;
  }

  async validatePayload({ config }: ActionPayload): Promise<UndoConfig> {
    return Promise.resolve(parseConfig(configSchema, config));
  }

  processEntity(entity: Entity, config: UndoConfig, context: ActionContext): Promise<Outcome> {
    return single(this.processBatch([entity], config, context));
  }

  processBatch(entities: readonly Entity[], _config: UndoConfig, context: ActionContext): Promise<Outcome[]> {
    return carryOut(entities, context, (id, fields) => planUndo(id, fields, context.entityType));
  }
}

function planUndo(entityId: string, sent: Fields, entityType: EntityType): Validated<Plan> {
  const parsed = undoneChangeSchema.safeParse(sent);
  if (!parsed.success) return refuse(...fieldIssues(parsed.error));
  const { before, version, effect } = parsed.data;
  const lacking = Object.keys(before).filter((field) => !Object.hasOwn(entityType.recordSchema.shape, field));
  if (lacking.length > 0)
    return refuse(...lacking.map((field) => ({ field, message: `a ${entityType.name} no longer has it` })));
  const { name } = entityType;
  const absent =
    effect === 'deleted'
      ? `the action left version ${version}, and it is no longer known that the ${name} was deleted`
      : `the action left version ${version}, and no ${name} has this id any more`;
  return {
    ok: true,
    value: {
      change: changeBack(entityId, parsed.data),
      ifAbsent: failure(OUTCOME_CODES.CHANGED_SINCE, absent),
      ifOtherVersion: (found) =>
        failure(
          OUTCOME_CODES.CHANGED_SINCE,
          `the action left version ${version}, and the ${name} has version ${found}`,
        ),
    },
  };
}

function changeBack(entityId: string, { effect, version, before }: UndoneChange): EntityChange {
  const values = Object.entries(before);
  const set = Object.fromEntries(values.filter(([, value]) => value !== null));
  switch (effect) {
    case 'created':
      return { kind: 'delete', entityId, expectedVersion: version, marked: true };
    case 'deleted':
      return { kind: 'create', entityId, set, deletedVersion: version, marked: true };
    case 'updated': {
      const unset = values.flatMap(([field, value]) => (value === null ? [field] : []));
      return { kind: 'update', entityId, set, unset, expectedVersion: version, marked: true };
    }
  }
}
