import type { Fields } from '@bulk/domain';
import type { EntityType, Validated } from '../entity-type.ts';
import type { Plan } from './carry-out.ts';
import { ChangeHandler } from './change-handler.ts';
import { issuesOf, planChange, refuse, takeExpectedVersion } from './entity-fields.ts';
import type { ChangeConfig } from './set-config.ts';

/**
 * Changes fields of existing entities: those that the config names on all, and each entity's own. An entity's own change
 * of a field takes the place of the config's, of whatever kind the two are.
 */
export class UpdateHandler extends ChangeHandler {
  readonly actionType = 'update';
  readonly takesFilter = true;

  constructor() {
    super("Fields to set on every entity. An entity's own fields win.");
  }

  protected plan(
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
}
