import type { Entity, Fields, Outcome } from '@bulk/domain';
import type { z } from 'zod';
import type { EntityType, Validated } from '../entity-type.ts';
import type { ActionContext, ActionPayload, BulkActionHandler } from '../handler.ts';
import { carryOut, single, type Plan } from './carry-out.ts';
import {
  EXPECTED_VERSION,
  issuesOf,
  namesBesideChanges,
  planChange,
  refuse,
  takeExpectedVersion,
} from './entity-fields.ts';
import { changeConfigSchema, parseChangeConfig, type ChangeConfig } from './set-config.ts';

const configSchema = changeConfigSchema("Fields to set on every entity. An entity's own fields win.");

/**
 * Changes fields of existing entities: those that the config names on all, and each entity's own. An entity's own change
 * of a field takes the place of the config's, of whatever kind the two are.
 */
export class UpdateHandler implements BulkActionHandler<ChangeConfig> {
  readonly actionType = 'update';

  getConfigSchema(): z.ZodType<ChangeConfig> {
    return configSchema;
  }

  async validatePayload(payload: ActionPayload): Promise<ChangeConfig> {
    return Promise.resolve(parseChangeConfig(configSchema, payload));
  }

  unknownFields(names: readonly string[], entityType: EntityType): string[] {
    return namesBesideChanges(names, entityType, EXPECTED_VERSION);
  }

  processEntity(entity: Entity, config: ChangeConfig, context: ActionContext): Promise<Outcome> {
    return single(this.processBatch([entity], config, context));
  }

  processBatch(
    entities: readonly Entity[],
    config: ChangeConfig,
    context: ActionContext,
  ): Promise<Outcome[]> {
    return carryOut(entities, context, (id, fields) => planUpdate(id, fields, config, context.entityType));
  }
}

function planUpdate(
  entityId: string,
  sent: Fields,
  config: ChangeConfig,
  entityType: EntityType,
): Validated<Plan> {
  const { fields, expectedVersion } = takeExpectedVersion(sent);
  const { patch } = planChange(fields, config, entityType);
  if (!patch.ok || !expectedVersion.ok) return refuse(...issuesOf(expectedVersion, patch));
  return {
    ok: true,
    value: {
      change: { kind: 'update', entityId, ...patch.value, expectedVersion: expectedVersion.value },
    },
  };
}
