import { RestError } from '@bulk/contracts';
import { stored, StoreError, type ActionDocument, type Database } from '@bulk/mongo';
import { PositionSet } from './position-set.ts';
import { retryExpired } from './retry-chain.ts';

/** Number of log documents that one batch of the cursor holds. */
const FETCH = 20;

/** What became of the positions of an ended action. A position in neither set has succeeded. */
export interface FailedPositions {
  readonly failed: PositionSet;
  readonly skipped: PositionSet;
  /** Returns the position of the first action of the chain that a failed position tries again. */
  originOf(position: number): number;
}

/**
 * Reads which positions of an ended action did not succeed. It takes two bits for each position, and a number for each
 * failure of a retry.
 *
 * @throws RestError `RETRY_EXPIRED` if the action is a retry and its batches are no longer kept; StoreError.
 */
export async function failedPositions(
  database: Database,
  { _id, retryChain }: Pick<ActionDocument, '_id' | 'retryChain'>,
): Promise<FailedPositions> {
  const failed = new PositionSet();
  const skipped = new PositionSet();
  const origins = new Map<number, number>();
  try {
    for (const [status, set] of [
      ['failure', failed],
      ['skipped', skipped],
    ] as const) {
      const logs = database.actionLogs.find(
        { actionId: _id, partition: { $gte: 0 }, [`counts.${status}`]: { $gt: 0 } },
        { projection: { 'outcomes.position': 1, 'outcomes.status': 1 }, batchSize: FETCH },
      );
      for await (const log of logs) {
        const positions = log.outcomes.filter((outcome) => outcome.status === status);
        for (const { position } of positions) set.add(position);
        if (status === 'failure' && retryChain !== undefined)
          await readOrigins(database, _id, log._id, origins);
      }
    }
  } catch (error) {
    throw error instanceof RestError || error instanceof StoreError ? error : new StoreError(error);
  }
  return { failed, skipped, originOf: (position) => origins.get(position) ?? position };
}

async function readOrigins(
  { stagedBatches }: Database,
  actionId: string,
  batchId: string,
  into: Map<number, number>,
): Promise<void> {
  const batch = await stored(
    stagedBatches.findOne({ _id: batchId }, { projection: { origins: 1, 'entities.position': 1 } }),
  );
  if (batch === null) throw retryExpired(actionId);
  batch.entities.forEach(({ position }, i) => into.set(position, batch.origins?.[i] ?? position));
}
