import type { Entity, Fields, Outcome } from '@bulk/domain';
import type { z } from 'zod';
import type { EntityType, Validated } from '../entity-type.ts';
import type { ActionContext, ActionPayload, BulkActionHandler } from '../handler.ts';
import { carryOut, single, type Plan } from './carry-out.ts';
import { EXPECTED_VERSION, issuesOf, namesBeside, refuse } from './entity-fields.ts';
import { parseSetConfig, setConfigSchema, type SetConfig } from './set-config.ts';

const configSchema = setConfigSchema("Fields of every new entity; an entity's own fields win.");

/**
 * Adds entities. Each is validated as a whole, from `config.set` and its own fields. An entity that exists already
 * fails.
 */
export class CreateHandler implements BulkActionHandler<SetConfig> {
  readonly actionType = 'create';
  readonly targets = 'new';

  getConfigSchema(): z.ZodType<SetConfig> {
    return configSchema;
  }

  async validatePayload(payload: ActionPayload): Promise<SetConfig> {
    return Promise.resolve(parseSetConfig(configSchema, payload));
  }

  unknownFields(names: readonly string[], entityType: EntityType): string[] {
    return namesBeside(names, entityType);
  }

  processEntity(entity: Entity, config: SetConfig, context: ActionContext): Promise<Outcome> {
    return single(this.processBatch([entity], config, context));
  }

  processBatch(entities: readonly Entity[], config: SetConfig, context: ActionContext): Promise<Outcome[]> {
    return carryOut(entities, context, (id, fields) => planCreate(id, fields, config, context.entityType));
  }
}

function planCreate(
  entityId: string,
  { [EXPECTED_VERSION]: expectedVersion, ...fields }: Fields,
  config: SetConfig,
  entityType: EntityType,
): Validated<Plan> {
  const record = entityType.validateRecord({ ...config.set, ...fields });
  const version =
    expectedVersion === undefined
      ? undefined
      : refuse({ field: EXPECTED_VERSION, message: 'an entity that is to be created has no version' });
  if (!record.ok || version !== undefined) return refuse(...(version?.issues ?? []), ...issuesOf(record));
  return { ok: true, value: { change: { kind: 'create', entityId, set: record.value } } };
}
