import type { ActionRegistry, BulkActionHandler, EntityType } from '@bulk/action-types';
import { BY_ID, InvalidInputError, type RowIdentity } from '@bulk/domain';

/** The parameters that decide how the rows of a request name their entities, before they are checked. */
export interface IdentityParameters {
  readonly actionType?: unknown;
  readonly matchBy?: unknown;
}

/**
 * Returns how the rows of a request name their entities. Parameters that are at fault count as absent: they are refused
 * elsewhere, and their fault is not one of the rows.
 */
export function rowIdentityOf(
  { handlers }: ActionRegistry,
  { actionType, matchBy }: IdentityParameters,
): RowIdentity {
  const handler = handlers.find((one) => one.actionType === actionType);
  if (handler?.targets === 'new') return { by: 'optional-id' };
  if (matchBy === undefined) return BY_ID;
  return typeof matchBy === 'string' ? { by: 'field', field: matchBy } : { by: 'optional-id' };
}

/**
 * Checks that the action type and the entity type allow this `matchBy`.
 *
 * @throws InvalidInputError `INVALID_REQUEST` that names `matchBy` and the possible fields.
 */
export function checkMatchBy(
  handler: BulkActionHandler,
  entityType: EntityType,
  matchBy: string | undefined,
): void {
  if (matchBy === undefined) return;
  const { matchFields, name } = entityType;
  if (handler.targets === 'new')
    throw refusal(`expected no matchBy, because ${handler.actionType} finds no existing entity`);
  if (!matchFields.includes(matchBy)) {
    throw refusal(
      matchFields.length === 0
        ? `expected no matchBy, because no field of ${name} can be matched`
        : `expected one of: ${matchFields.join(', ')}`,
    );
  }
}

function refusal(message: string): InvalidInputError {
  return new InvalidInputError('INVALID_REQUEST', 'the request is invalid', [{ field: 'matchBy', message }]);
}
