import type { Entity, Fields, Outcome } from '@bulk/domain';
import { z } from 'zod';
import type { Validated } from '../entity-type.ts';
import type { ActionContext, ActionPayload, BulkActionHandler } from '../handler.ts';
import { carryOut, single, type Plan } from './carry-out.ts';
import { issuesOf, namesBesideVersion, refuse, takeExpectedVersion } from './entity-fields.ts';
import { parseConfig } from './set-config.ts';

const configSchema = z
  .strictObject({})
  .meta({ description: 'No settings: the entities name what is deleted.' });
export type DeleteConfig = z.infer<typeof configSchema>;

/** Removes existing entities. An entity of the request is its id, optionally with the version that it must have. */
export class DeleteHandler implements BulkActionHandler<DeleteConfig> {
  readonly actionType = 'delete';
  readonly takesFilter = true;

  getConfigSchema(): z.ZodType<DeleteConfig> {
    return configSchema;
  }

  async validatePayload({ config }: ActionPayload): Promise<DeleteConfig> {
    return Promise.resolve(parseConfig(configSchema, config));
  }

  unknownFields(names: readonly string[]): string[] {
    return namesBesideVersion(names);
  }

  processEntity(entity: Entity, config: DeleteConfig, context: ActionContext): Promise<Outcome> {
    return single(this.processBatch([entity], config, context));
  }

  processBatch(
    entities: readonly Entity[],
    _config: DeleteConfig,
    context: ActionContext,
  ): Promise<Outcome[]> {
    return carryOut(entities, context, planDelete);
  }
}

function planDelete(entityId: string, sent: Fields): Validated<Plan> {
  const { fields, expectedVersion } = takeExpectedVersion(sent);
  const unused = Object.keys(fields).map((field) => ({ field, message: 'a deletion takes no fields' }));
  if (!expectedVersion.ok || unused.length > 0) return refuse(...issuesOf(expectedVersion), ...unused);
  return {
    ok: true,
    value: { change: { kind: 'delete', entityId, expectedVersion: expectedVersion.value } },
  };
}
