import {
  failure,
  InvalidInputError,
  OUTCOME_CODES,
  success,
  type Entity,
  type FieldIssue,
  type Fields,
  type Outcome,
} from '@bulk/domain';
import { z } from 'zod';
import type { ChangeResult, EntityChange } from '../entity-store.ts';
import { fieldIssues, type EntityType, type Patch, type Validated } from '../entity-type.ts';
import type { ActionContext, ActionPayload, BulkActionHandler } from '../handler.ts';

const configSchema = z.strictObject({
  set: z
    .record(z.string(), z.unknown())
    .optional()
    .meta({ description: "Fields to set on every entity; an entity's own fields win." }),
});
export type UpdateConfig = z.infer<typeof configSchema>;

/** Changes fields of existing entities: those of `config.set` on all, and each entity's own. */
export class UpdateHandler implements BulkActionHandler<UpdateConfig> {
  readonly actionType = 'update';

  getConfigSchema(): z.ZodType<UpdateConfig> {
    return configSchema;
  }

  validatePayload({ entityType, config }: ActionPayload): Promise<UpdateConfig> {
    const parsed = configSchema.safeParse(config);
    if (!parsed.success) return Promise.reject(invalidConfig(fieldIssues(parsed.error, ['config'])));
    const set = entityType.validatePatch(parsed.data.set ?? {});
    if (!set.ok) {
      const issues = set.issues.map(({ field, message }) => ({ field: `config.set.${field}`, message }));
      return Promise.reject(invalidConfig(issues));
    }
    return Promise.resolve(parsed.data);
  }

  unknownFields(names: readonly string[], { patchSchema }: EntityType): readonly string[] {
    return names.filter((name) => !Object.hasOwn(patchSchema.shape, name));
  }

  async processEntity(entity: Entity, config: UpdateConfig, context: ActionContext): Promise<Outcome> {
    const [outcome] = await this.processBatch([entity], config, context);
    return outcome ?? failure(OUTCOME_CODES.PROCESSING_ERROR, 'no outcome');
  }

  async processBatch(
    entities: readonly Entity[],
    config: UpdateConfig,
    context: ActionContext,
  ): Promise<Outcome[]> {
    const patches = entities.map((entity) => patchOf(entity.fields, config, context.entityType));
    const changes = entities.flatMap((entity, i): EntityChange[] => {
      const patch = patches[i];
      return patch?.ok === true ? [{ entityId: entity.id, ...patch.value }] : [];
    });
    const { identity, entityType, at, now } = context;
    const results = await context.store.update(
      { accountId: identity.accountId, entityType, at, now },
      changes,
    );
    const byId = new Map(changes.map((change, i) => [change.entityId, results[i]]));
    return entities.map((entity, i) => {
      const patch = patches[i];
      if (patch?.ok === false) return failure(OUTCOME_CODES.INVALID_ENTITY, sentence(patch.issues));
      return toOutcome(byId.get(entity.id), entityType.name);
    });
  }
}

function patchOf(fields: Fields, config: UpdateConfig, entityType: EntityType): Validated<Patch> {
  const patch = entityType.validatePatch({ ...config.set, ...fields });
  if (patch.ok && Object.keys(patch.value.set).length + patch.value.unset.length === 0) {
    return {
      ok: false,
      issues: [{ field: '', message: 'nothing to change: neither the entity nor config.set has a field' }],
    };
  }
  return patch;
}

function toOutcome(result: ChangeResult | undefined, entityType: string): Outcome {
  switch (result) {
    case 'applied':
      return success();
    case 'not-found':
      return failure(OUTCOME_CODES.ENTITY_NOT_FOUND, `no ${entityType} has this id`);
    case 'unique-violation':
      return failure(
        OUTCOME_CODES.UNIQUE_VIOLATION,
        `another ${entityType} has this value of a unique field`,
      );
    case undefined:
      return failure(OUTCOME_CODES.PROCESSING_ERROR, 'the store gave no result');
  }
}

function sentence(issues: readonly FieldIssue[]): string {
  return issues.map(({ field, message }) => (field === '' ? message : `${field}: ${message}`)).join('; ');
}

function invalidConfig(issues: readonly FieldIssue[]): InvalidInputError {
  return new InvalidInputError('INVALID_CONFIG', 'the config of this action is invalid', issues);
}
