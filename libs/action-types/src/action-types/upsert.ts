import { failure, OUTCOME_CODES, type Entity, type Fields, type Outcome } from '@bulk/domain';
import type { z } from 'zod';
import type { EntityType, Validated } from '../entity-type.ts';
import type { ActionContext, ActionPayload, BulkActionHandler } from '../handler.ts';
import { carryOut, sentence, single, type Plan } from './carry-out.ts';
import {
  EXPECTED_VERSION,
  issuesOf,
  namesBesideChanges,
  planChange,
  refuse,
  takeExpectedVersion,
} from './entity-fields.ts';
import { changeConfigSchema, parseChangeConfig, type ChangeConfig } from './set-config.ts';

const configSchema = changeConfigSchema(
  "Fields to set on every entity, also on created ones. An entity's own fields win.",
);

/**
 * Changes fields of existing entities, as `update` does, and adds the others, as `create` does. An entity that does not
 * exist fails if a required field is missing, or if the caller expected a version of it.
 */
export class UpsertHandler implements BulkActionHandler<ChangeConfig> {
  readonly actionType = 'upsert';

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
    return carryOut(entities, context, (id, fields) => planUpsert(id, fields, config, context.entityType));
  }
}

function planUpsert(
  entityId: string,
  sent: Fields,
  config: ChangeConfig,
  entityType: EntityType,
): Validated<Plan> {
  const own = takeExpectedVersion(sent);
  const { fields, patch } = planChange(own.fields, config, entityType);
  if (!patch.ok || !own.expectedVersion.ok) return refuse(...issuesOf(own.expectedVersion, patch));
  const expectedVersion = own.expectedVersion.value;
  const change = { kind: 'upsert', entityId, ...patch.value, expectedVersion } as const;
  if (expectedVersion !== undefined) {
    const ifAbsent = failure(
      OUTCOME_CODES.VERSION_CONFLICT,
      `expected version ${expectedVersion}, and no ${entityType.name} has this id`,
    );
    return { ok: true, value: { change: { ...change, record: null }, ifAbsent } };
  }
  const record = entityType.validateRecord(fields);
  if (record.ok) return { ok: true, value: { change: { ...change, record: record.value } } };
  const ifAbsent = failure(
    OUTCOME_CODES.INVALID_ENTITY,
    `no ${entityType.name} has this id, and it cannot be created: ${sentence(record.issues)}`,
  );
  return { ok: true, value: { change: { ...change, record: null }, ifAbsent } };
}
