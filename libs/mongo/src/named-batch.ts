import type { BatchName } from '@bulk/contracts';
import type { ActionIdentity, EntityName } from '@bulk/domain';
import { ACCEPTED } from './actions/status-updates.ts';
import type { Database } from './database.ts';
import { stored } from './errors.ts';

/** A staged batch whose message cannot be read. */
export interface NamedBatch {
  readonly identity: ActionIdentity;
  readonly batchNo: number;
  /** Partition of its lane. */
  readonly partition: number;
  readonly entities: readonly EntityName[];
}

/**
 * Finds the staged batch of an accepted action by its name alone, as the headers of a message give it.
 *
 * @returns undefined if there is no such batch, or it is no longer stored.
 * @throws StoreError.
 */
export async function findNamedBatch(
  database: Database,
  { actionId, batchNo }: BatchName,
): Promise<NamedBatch | undefined> {
  const [action, batch] = await Promise.all([
    stored(database.actions.findOne({ _id: actionId, ...ACCEPTED })),
    stored(database.stagedBatches.findOne({ _id: `${actionId}:${batchNo}` }, { projection: { sources: 0 } })),
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
