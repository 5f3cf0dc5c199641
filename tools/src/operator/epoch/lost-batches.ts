import { chunksOf, CodedError } from '@bulk/domain';
import type { ActionDocument, Database, StagedBatchDocument } from '@bulk/mongo';
import { claimedPlaces, hasFirstPositions, type Redis } from '@bulk/redis';

/** A batch that has no outcome and that Kafka does not hold any more. */
export interface LostBatch {
  readonly action: ActionDocument;
  readonly batch: StagedBatchDocument;
  /** Where handler has seen it first; `undefined` if it has not. */
  readonly place: number | undefined;
}

/** Thrown when Redis has lost what handler has seen of a running action. */
export class FirstPositionsLostError extends CodedError {
  constructor(actionId: string) {
    super(
      'FIRST_POSITIONS_LOST',
      `Redis knows nothing of action ${actionId}, which has outcomes: without it, it is unknown which batches were applied`,
    );
  }
}

const AT_ONCE = 200;

/**
 * Finds the batches of an action that handler has seen, or that were published, and that have no outcome.
 *
 * Batches that were neither seen nor recorded as published are left to the dispatch.
 *
 * @throws FirstPositionsLostError; RedisError; the driver's error.
 */
export async function findLostBatches(
  database: Database,
  redis: Redis,
  prefix: string,
  action: ActionDocument,
): Promise<LostBatch[]> {
  const { _id: actionId, dispatch } = action;
  const logs = await database.actionLogs
    .find({ actionId }, { projection: { batchNo: 1, partition: 1, source: 1 } })
    .toArray();
  const reported = logs.find(({ source }) => source.partition >= 0);
  if (reported !== undefined && !(await hasFirstPositions(redis, prefix, actionId, reported.partition)))
    throw new FirstPositionsLostError(actionId);
  const logged = new Set(logs.map(({ batchNo }) => batchNo));
  const staged = await database.stagedBatches
    .find({ actionId }, { projection: { batchNo: 1, partition: 1 } })
    .sort({ batchNo: 1 })
    .toArray();
  const open = staged.filter(({ batchNo }) => !logged.has(batchNo));
  const lost: LostBatch[] = [];
  for (const some of chunksOf(open, AT_ONCE)) {
    const places = await claimedPlaces(redis, prefix, actionId, some);
    for (const [i, { _id, batchNo }] of some.entries()) {
      const place = places[i];
      if (place === undefined && batchNo >= dispatch.nextBatch) continue;
      const batch = await database.stagedBatches.findOne({ _id });
      if (batch !== null) lost.push({ action, batch, place });
    }
  }
  return lost;
}
