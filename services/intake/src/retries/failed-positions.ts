import { stored, type ActionDocument, type Database } from '@bulk/mongo';
import { readError } from '../reading/read-error.ts';
import { PositionSet } from './position-set.ts';
import { retryExpired } from './retry-chain.ts';

/** Number of log documents, and of the batches of retries, that are held at a time. */
const FETCH = 20;

/** What became of the positions of an ended action. A position in neither set has succeeded. */
export interface FailedPositions {
  readonly failed: PositionSet;
  readonly skipped: PositionSet;
  /** Returns the position of the first action of the chain that a failed position tries again. */
  originOf(position: number): number;
  /** Returns the number of the batch of a failed position. */
  batchOf(position: number): number;
}

/**
 * Reads which positions of an ended action did not succeed. It holds two bits and a number for each position of the
 * action, and another number if the action is a retry.
 *
 * @throws RestError `RETRY_EXPIRED` if the action is a retry and its batches are no longer kept; StoreError.
 */
export async function failedPositions(
  database: Database,
  { _id, total, retryChain }: Pick<ActionDocument, '_id' | 'total' | 'retryChain'>,
): Promise<FailedPositions> {
  const failed = new PositionSet();
  const skipped = new PositionSet();
  const batchNos = new Uint32Array(total);
  const origins = retryChain === undefined ? undefined : new Uint32Array(total);
  try {
    for (const [status, set] of [
      ['failure', failed],
      ['skipped', skipped],
    ] as const) {
      const logs = database.actionLogs.find(
        { actionId: _id, partition: { $gte: 0 }, [`counts.${status}`]: { $gt: 0 } },
        { projection: { batchNo: 1, 'outcomes.position': 1, 'outcomes.status': 1 }, batchSize: FETCH },
      );
      let batchIds: string[] = [];
      for await (const log of logs) {
        for (const outcome of log.outcomes) {
          if (outcome.status !== status) continue;
          set.add(outcome.position);
          batchNos[outcome.position] = log.batchNo;
        }
        if (status !== 'failure' || origins === undefined) continue;
        // A batch and its log have the same id.
        batchIds.push(log._id);
        if (batchIds.length < FETCH) continue;
        await readOrigins(database, _id, batchIds, { failed, origins });
        batchIds = [];
      }
      if (origins !== undefined && batchIds.length > 0)
        await readOrigins(database, _id, batchIds, { failed, origins });
    }
  } catch (error) {
    throw readError(error);
  }
  return {
    failed,
    skipped,
    originOf: (position) => origins?.[position] ?? position,
    batchOf: (position) => batchNos[position] ?? 0,
  };
}

/** Notes the origins of the failed positions of some batches. */
async function readOrigins(
  { stagedBatches }: Database,
  actionId: string,
  batchIds: readonly string[],
  { failed, origins }: { readonly failed: PositionSet; readonly origins: Uint32Array },
): Promise<void> {
  const batches = await stored(
    stagedBatches
      .find({ _id: { $in: batchIds } }, { projection: { origins: 1, 'entities.position': 1 } })
      .toArray(),
  );
  if (batches.length < batchIds.length) throw retryExpired(actionId);
  for (const batch of batches) {
    batch.entities.forEach(({ position }, i) => {
      if (failed.has(position)) origins[position] = batch.origins?.[i] ?? position;
    });
  }
}
