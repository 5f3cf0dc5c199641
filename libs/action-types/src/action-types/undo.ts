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

/**
 * The row of an undo: what the action did to it, the version that it left, the time of the outcome, and the values before.
 */
export const undoneChangeSchema = z.strictObject({
  effect: effectSchema.exclude(['unchanged']),
  version: z.int().positive(),
  // The handler that wrote the record takes this time after its write, and a repetition only a later one.
  at: z.iso.datetime().optional(),
  before: z.record(z.string(), z.unknown()),
});
export type UndoneChange = z.infer<typeof undoneChangeSchema>;

/** The name of the action type that undoes another action. */
export const UNDO = 'undo';

/**
 * Maximum difference between the clocks of two handlers, in ms. It is far below the lifetime of a tombstone, before whose
 * end no other record can have the version of the one that the action changed.
 */
const CLOCK_DIFFERENCE_MS = 300_000;

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
          found === version
            ? `the ${name} that the action changed is gone, and another one has had its id since`
            : `the action left version ${version}, and the ${name} has version ${found}`,
        ),
    },
  };
}

function changeBack(entityId: string, { effect, version, at, before }: UndoneChange): EntityChange {
  const notAfter = at === undefined ? undefined : new Date(Date.parse(at) + CLOCK_DIFFERENCE_MS);
  const common = { entityId, notAfter, marked: true } as const;
  const values = Object.entries(before);
  const set = Object.fromEntries(values.filter(([, value]) => value !== null));
  switch (effect) {
    case 'created':
      return { kind: 'delete', ...common, expectedVersion: version };
    case 'deleted':
      return { kind: 'create', ...common, set, deletedVersion: version };
    case 'updated': {
      const unset = values.flatMap(([field, value]) => (value === null ? [field] : []));
      return { kind: 'update', ...common, set, unset, expectedVersion: version };
    }
  }
}
