import {
  failure,
  OUTCOME_CODES,
  skipped,
  success,
  type Entity,
  type FieldIssue,
  type Fields,
  type Outcome,
} from '@bulk/domain';
import type { ChangeResult, EntityChange } from '../entity-store.ts';
import type { Validated } from '../entity-type.ts';
import type { ActionContext } from '../handler.ts';

/** The change that an action type plans for an entity. */
export interface Plan {
  readonly change: EntityChange;
  /** The outcome if there is no such entity. @default `ENTITY_NOT_FOUND` */
  readonly ifAbsent?: Outcome;
  /** Returns the outcome if the entity has another version. @default `VERSION_CONFLICT` */
  readonly ifOtherVersion?: (version: number) => Outcome;
}

/**
 * Plans the change of each entity, writes all changes at once, and returns the outcomes. An entity without a valid plan
 * is `INVALID_ENTITY` and is not written.
 *
 * @param plan plans the change of an entity with these fields.
 * @returns an outcome for each entity, in the same order.
 * @throws the errors of `EntityStore.write`.
 */
export async function carryOut(
  entities: readonly Entity[],
  context: ActionContext,
  plan: (entityId: string, fields: Fields) => Validated<Plan>,
): Promise<Outcome[]> {
  const { identity, entityType, at, now, store } = context;
  const planned = entities.map(({ id, fields }) => plan(id, fields));
  const changes = planned.flatMap((one) => (one.ok ? [one.value.change] : []));
  const { accountId, actionId } = identity;
  const results = await store.write({ accountId, actionId, entityType, at, now }, changes);
  const inOrder = results.values();
  return planned.map((one) =>
    one.ok
      ? toOutcome(inOrder.next().value, one.value, entityType.name)
      : failure(OUTCOME_CODES.INVALID_ENTITY, sentence(one.issues)),
  );
}

/** Returns the outcome of a batch of one entity. */
export async function single(outcomes: Promise<Outcome[]>): Promise<Outcome> {
  const [outcome] = await outcomes;
  return outcome ?? failure(OUTCOME_CODES.PROCESSING_ERROR, 'no outcome');
}

function toOutcome(result: ChangeResult | undefined, plan: Plan, entityType: string): Outcome {
  switch (result?.kind) {
    case 'applied':
      return success(result.effect, result.version, result.changes);
    case 'not-found':
      return plan.ifAbsent ?? failure(OUTCOME_CODES.ENTITY_NOT_FOUND, `no ${entityType} has this id`);
    case 'exists':
      return failure(OUTCOME_CODES.ENTITY_EXISTS, `there is a ${entityType} of this id`);
    case 'duplicate':
      return skipped(
        OUTCOME_CODES.DUPLICATE_ENTITY,
        `position ${result.position} of the first action has changed this ${entityType} already, and each ${entityType} is changed once in an action and its retries`,
      );
    case 'unique-violation':
      return failure(
        OUTCOME_CODES.UNIQUE_VIOLATION,
        `another ${entityType} has this value of a unique field`,
      );
    case 'refused':
      return failure(
        OUTCOME_CODES.INVALID_ENTITY,
        `the database refused the ${entityType} as it would become: it is too large, or breaks a rule of its collection`,
      );
    case 'invalid':
      return failure(OUTCOME_CODES.INVALID_ENTITY, sentence(result.issues));
    case 'version-conflict':
      return (
        plan.ifOtherVersion?.(result.version) ??
        failure(
          OUTCOME_CODES.VERSION_CONFLICT,
          `expected version ${expectedBy(plan.change)}, and the ${entityType} has version ${result.version}`,
        )
      );
    case undefined:
      return failure(OUTCOME_CODES.PROCESSING_ERROR, 'the store gave no result');
  }
}

function expectedBy(change: EntityChange): string {
  return change.kind === 'create' ? 'none' : String(change.expectedVersion);
}

/** Joins faults into one sentence. */
export function sentence(issues: readonly FieldIssue[]): string {
  return issues.map(({ field, message }) => (field === '' ? message : `${field}: ${message}`)).join('; ');
}
