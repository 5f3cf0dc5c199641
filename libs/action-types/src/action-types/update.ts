import type { Entity, Fields, Outcome } from '@bulk/domain';
import type { z } from 'zod';
import type { EntityType, Validated } from '../entity-type.ts';
import type { ActionContext, ActionPayload, BulkActionHandler } from '../handler.ts';
import { carryOut, single, type Plan } from './carry-out.ts';
import {
  EXPECTED_VERSION,
  issuesOf,
  namesBeside,
  refuse,
  takeExpectedVersion,
  validateChange,
} from './entity-fields.ts';
import { parseSetConfig, setConfigSchema, type SetConfig } from './set-config.ts';

const configSchema = setConfigSchema("Fields to set on every entity. An entity's own fields win.");

/** Changes fields of existing entities: those of `config.set` on all, and each entity's own. */
export class UpdateHandler implements BulkActionHandler<SetConfig> {
  readonly actionType = 'update';

  getConfigSchema(): z.ZodType<SetConfig> {
    return configSchema;
  }

  async validatePayload(payload: ActionPayload): Promise<SetConfig> {
    return Promise.resolve(parseSetConfig(configSchema, payload));
  }

  unknownFields(names: readonly string[], entityType: EntityType): string[] {
    return namesBeside(names, entityType, EXPECTED_VERSION);
  }

  processEntity(entity: Entity, config: SetConfig, context: ActionContext): Promise<Outcome> {
    return single(this.processBatch([entity], config, context));
  }

  processBatch(entities: readonly Entity[], config: SetConfig, context: ActionContext): Promise<Outcome[]> {
    return carryOut(entities, context, (id, fields) => planUpdate(id, fields, config, context.entityType));
  }
}

function planUpdate(
  entityId: string,
  sent: Fields,
  config: SetConfig,
  entityType: EntityType,
): Validated<Plan> {
  const { fields, expectedVersion } = takeExpectedVersion(sent);
  const patch = validateChange({ ...config.set, ...fields }, entityType);
  if (!patch.ok || !expectedVersion.ok) return refuse(...issuesOf(expectedVersion, patch));
  return {
    ok: true,
    value: {
      change: { kind: 'update', entityId, ...patch.value, expectedVersion: expectedVersion.value },
    },
  };
}
