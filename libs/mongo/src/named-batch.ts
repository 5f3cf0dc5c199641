import type { AttemptedOutcome, BatchName } from '@bulk/contracts';
import { failure, OUTCOME_CODES, type ActionIdentity, type Entity } from '@bulk/domain';
import type { Database } from './database.ts';
import { stored } from './errors.ts';

/** What an entity is known by, without its fields. */
export type EntityName = Pick<Entity, 'position' | 'id' | 'ref'>;

/** A batch whose message cannot be read, as it was staged. */
export interface NamedBatch {
  readonly identity: ActionIdentity;
  readonly batchNo: number;
  /** Partition of its lane. */
  readonly partition: number;
  readonly entities: readonly EntityName[];
}

/**
 * The batch of an accepted action, for as long as it is kept: by its name alone, as a message's headers give it.
 *
 * @returns undefined where there is no such batch (any more).
 * @throws StoreError.
 */
export async function findNamedBatch(
  database: Database,
  { actionId, batchNo }: BatchName,
): Promise<NamedBatch | undefined> {
  const [action, batch] = await Promise.all([
    stored(database.actions.findOne({ _id: actionId, status: { $ne: 'staging' } })),
    stored(database.stagedBatches.findOne({ _id: `${actionId}:${batchNo}` })),
  ]);
  if (action === null || batch === null) return undefined;
  const { accountId, actionType, entityType, lane } = action;
  return {
    identity: { actionId, accountId, actionType, entityType, lane },
    batchNo,
    partition: batch.partition,
    entities: batch.entities.map(({ position, id, ref }) => ({ position, id, ref })),
  };
}

/** The outcomes of a batch that nobody can process, so that its action completes all the same (G6). */
export function deadLetteredOutcomes(
  entities: readonly EntityName[],
  reason: string,
  attempts: number,
): AttemptedOutcome[] {
  const outcome = failure(OUTCOME_CODES.DEAD_LETTERED, reason);
  return entities.map(({ position, id, ref }) => ({ position, entityId: id, ref, outcome, attempts }));
}
