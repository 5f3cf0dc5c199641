import { failure, OUTCOME_CODES, type Fields } from '@bulk/domain';
import type { EntityType, Validated } from '../entity-type.ts';
import { sentence, type Plan } from './carry-out.ts';
import { ChangeHandler } from './change-handler.ts';
import { issuesOf, planChange, refuse, takeExpectedVersion } from './entity-fields.ts';
import type { ChangeConfig } from './set-config.ts';

/**
 * Changes fields of existing entities, as `update` does, and adds the others, as `create` does. An entity that does not
 * exist fails if a required field is missing, or if the caller expected a version of it.
 */
export class UpsertHandler extends ChangeHandler {
  readonly actionType = 'upsert';
  readonly targets = 'either';

  constructor() {
    super("Fields to set on every entity, also on created ones. An entity's own fields win.");
  }

  protected plan(
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
}
