import { chunksOf, OUTCOME_CODES } from '@bulk/domain';
import type { Database, StagedBatchDocument } from '@bulk/mongo';
import {
  claimedPlaces,
  FirstPositions,
  partitionsWithFirstPositions,
  recordUnknownPlaces,
  UNKNOWN_PLACE,
  type Redis,
} from '@bulk/redis';

/** A staged batch without its entities. */
export type StagedName = Pick<StagedBatchDocument, '_id' | 'batchNo' | 'partition'>;

/**
 * What Redis knows of a partition of an action.
 *
 * `kept`: it knows the partition, and every batch that must have been seen. `lost`: it lacks such a batch. `silent`: it
 * does not know the partition, and nothing shows that it should.
 */
export type PartitionMemory = 'kept' | 'lost' | 'silent';

export interface ActionMemory {
  readonly partitions: ReadonlyMap<number, PartitionMemory>;
  /** Numbers of the batches that have outcomes. */
  readonly logged: ReadonlySet<number>;
  /** The batches without outcomes, in ascending order. */
  readonly open: readonly StagedName[];
}

const AT_ONCE = 500;

/**
 * Compares what Redis knows of an action with its logs.
 *
 * An outcome proves that its batch was claimed in Redis, except where the batch was dead-lettered (perhaps before its
 * claim), was replayed (the claim of a replay has another name), or was skipped by the dispatch.
 *
 * @throws RedisError; the driver's error.
 */
export async function readMemory(
  database: Database,
  redis: Redis,
  prefix: string,
  actionId: string,
): Promise<ActionMemory> {
  const staged = await database.stagedBatches
    .find({ actionId }, { projection: { batchNo: 1, partition: 1 } })
    .sort({ batchNo: 1 })
    .toArray();
  const logs = await database.actionLogs
    .find({ actionId }, { projection: { batchNo: 1, partition: 1, source: 1, generation: 1 } })
    .toArray();
  const deadLettered = await database.actionLogs
    .find(
      { actionId, outcomes: { $not: { $elemMatch: { code: { $ne: OUTCOME_CODES.DEAD_LETTERED } } } } },
      { projection: { batchNo: 1 } },
    )
    .toArray();
  const dead = new Set(deadLettered.map(({ batchNo }) => batchNo));
  const claimed = logs.filter(
    ({ batchNo, source, generation = 0 }) => source.partition >= 0 && generation === 0 && !dead.has(batchNo),
  );
  const lost = new Set<number>();
  for (const some of chunksOf(claimed, AT_ONCE)) {
    const places = await claimedPlaces(redis, prefix, actionId, some);
    for (const [i, { partition }] of some.entries()) if (places[i] === undefined) lost.add(partition);
  }
  const numbers = [...new Set(staged.map(({ partition }) => partition))];
  const known = await partitionsWithFirstPositions(redis, prefix, actionId, numbers);
  const stateOf = (partition: number): PartitionMemory => {
    if (lost.has(partition)) return 'lost';
    return known.has(partition) ? 'kept' : 'silent';
  };
  const logged = new Set(logs.map(({ batchNo }) => batchNo));
  return {
    partitions: new Map(numbers.map((partition) => [partition, stateOf(partition)])),
    logged,
    open: staged.filter(({ batchNo }) => !logged.has(batchNo)),
  };
}

/** Number of ended actions that are asked for. */
const ENDED = 100;

/** Returns whether Redis has first positions of an ended action, which shows that it has kept its data. */
export async function remembersEnded(
  database: Database,
  redis: Redis,
  prefix: string,
  lanePartitions: number,
): Promise<boolean> {
  const partitions = Array.from({ length: lanePartitions }, (_, i) => i);
  const ended = database.actions
    .find({ 'dispatch.firstPositions': true, finishedAt: { $ne: null } }, { projection: { _id: 1 } })
    .limit(ENDED);
  for await (const { _id } of ended)
    if ((await partitionsWithFirstPositions(redis, prefix, _id, partitions)).size > 0) return true;
  return false;
}

/**
 * Records in Redis again which position of each entity came first, for the partitions of an action that Redis has lost.
 *
 * A position is the first of its entity if no earlier one names it, and the staged batches of a partition are in order of
 * position. It may be killed and repeated: the batches whose outcomes are unknown are recorded as such in one step before
 * everything else, and a partition counts as lost until each of its logged batches is recorded.
 *
 * @param unknown the batches of the action whose outcomes are unknown.
 * @throws RedisError; the driver's error.
 */
export async function restoreFirstPositions(
  database: Database,
  redis: Redis,
  prefix: string,
  actionId: string,
  { partitions, logged }: ActionMemory,
  unknown: readonly StagedName[],
  ttlSeconds: number,
): Promise<void> {
  const firsts = new FirstPositions(redis, prefix, ttlSeconds);
  const named = new Set(unknown.map(({ batchNo }) => batchNo));
  const affected = new Set(unknown.map(({ partition }) => partition));
  for (const [partition, state] of partitions) {
    if (state !== 'lost' && !affected.has(partition)) continue;
    const batchNos = unknown.filter((one) => one.partition === partition).map(({ batchNo }) => batchNo);
    await recordUnknownPlaces(redis, prefix, { actionId, partition, batchNos }, ttlSeconds);
    for await (const batch of database.stagedBatches.find({ actionId, partition }).sort({ batchNo: 1 })) {
      const { batchNo, entities } = batch;
      if (!logged.has(batchNo) && !named.has(batchNo)) continue;
      const [place = UNKNOWN_PLACE] = await claimedPlaces(redis, prefix, actionId, [batch]);
      // As in handler: a position with a fault changes no entity, so it is the first of none.
      const sound = entities.filter(({ fault }) => (fault ?? null) === null);
      await firsts.claim({ actionId, batchNo, generation: 0, partition, offset: place, entities: sound });
    }
  }
}
