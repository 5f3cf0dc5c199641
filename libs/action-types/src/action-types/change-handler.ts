import type { Entity, Fields, Outcome } from '@bulk/domain';
import type { z } from 'zod';
import type { EntityType, Validated } from '../entity-type.ts';
import type { ActionContext, ActionPayload, BulkActionHandler } from '../handler.ts';
import { carryOut, single, type Plan } from './carry-out.ts';
import { EXPECTED_VERSION, namesBesideChanges } from './entity-fields.ts';
import { changeConfigSchema, parseChangeConfig, type ChangeConfig } from './set-config.ts';

/** The part that action types with changes of fields in their config and in their entities have in common. */
export abstract class ChangeHandler implements BulkActionHandler<ChangeConfig> {
  abstract readonly actionType: string;
  readonly #configSchema: z.ZodType<ChangeConfig>;

  /** @param set description of `config.set` in the API's documentation. */
  constructor(set: string) {
    this.#configSchema = changeConfigSchema(set);
  }

  /** Plans the change of an entity from what the caller sent for it, or names the faults. */
  protected abstract plan(
    entityId: string,
    sent: Fields,
    config: ChangeConfig,
    entityType: EntityType,
  ): Validated<Plan>;

  getConfigSchema(): z.ZodType<ChangeConfig> {
    return this.#configSchema;
  }

  async validatePayload(payload: ActionPayload): Promise<ChangeConfig> {
    return Promise.resolve(parseChangeConfig(this.#configSchema, payload));
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
    return carryOut(entities, context, (id, fields) => this.plan(id, fields, config, context.entityType));
  }
}
