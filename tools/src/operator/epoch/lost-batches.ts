import { chunksOf, CodedError } from '@bulk/domain';
import { publishedBelow, type ActionDocument, type Database, type StagedBatchDocument } from '@bulk/mongo';
import { claimedPlaces, UNKNOWN_PLACE, type Redis } from '@bulk/redis';
import { readMemory, remembersEnded, type ActionMemory } from './redis-memory.ts';

/** A batch that has no outcome and that Kafka does not hold any more. */
export interface LostBatch {
  readonly action: ActionDocument;
  readonly batch: StagedBatchDocument;
}

/** A lost batch that handler has seen, with the place where it has seen it first. */
export interface SeenBatch extends LostBatch {
  readonly place: number;
}

/** The batches of an action without an outcome, by what becomes of them. Batches for the dispatch are not among them. */
export interface Findings {
  readonly action: ActionDocument;
  /** What Redis knows of the action. */
  readonly memory: ActionMemory;
  /** Handler has seen them. They are tried again at their place. */
  readonly again: readonly SeenBatch[];
  /** They were published, and handler has not seen them. */
  readonly unseen: readonly LostBatch[];
  /** Nothing is left that says whether they were applied. */
  readonly unknown: readonly LostBatch[];
  /** Whether an earlier run has recorded in Redis that the operator accepts all of `unknown`. */
  readonly isAccepted: boolean;
}

/** The actions whose unknown outcomes the operator accepts: those with these ids, or all. */
export type Accepted = ReadonlySet<string> | 'all';

/** Thrown when it is unknown which batches of running actions were applied. Nothing was changed. */
export class FirstPositionsLostError extends CodedError {
  constructor(findings: readonly Findings[]) {
    const actions = findings.map(({ action, unknown }) => {
      const positions = unknown.reduce((sum, { batch }) => sum + batch.entities.length, 0);
      return `  ${action._id} (account ${action.accountId}): ${positions} positions in ${unknown.length} batches`;
    });
    super(
      'FIRST_POSITIONS_LOST',
      [
        'Redis does not know whether these positions were processed, and nothing was changed:',
        ...actions,
        'If the data of Redis can be restored, restore it and repeat the command. If Redis has kept its data, and',
        'only has no first positions yet, repeat it with --redis-kept. Otherwise repeat it with',
        `--accept-unknown ${findings.map(({ action }) => action._id).join(' ')}`,
        'These positions then fail with OUTCOME_UNKNOWN, and everything else continues.',
      ].join('\n'),
    );
  }
}

/** The actions that are searched, and what the search may rely on. */
export interface Unfinished {
  readonly actions: readonly ActionDocument[];
  readonly lanePartitions: number;
  /** Whether the operator knows that Redis has kept its data. Only used while nothing shows the contrary. */
  readonly isRedisKept: boolean;
}

const AT_ONCE = 200;

/**
 * Finds the batches of unfinished actions that handler has seen, or that were published, and that have no outcome.
 *
 * A batch that Redis does not know was never seen, as long as Redis has kept its data. Where Redis lacks a batch that has
 * outcomes, it has lost the first positions of that partition of the action, or intake has released them because the
 * action ended after the backup from which MongoDB was restored. Published batches of the partition are then `unknown`.
 * A partition without outcomes and without first positions shows nothing. It is trusted only if Redis has first positions
 * of some action and lacks none that must be there.
 *
 * @throws RedisError; the driver's error.
 */
export async function findLostBatches(
  database: Database,
  redis: Redis,
  prefix: string,
  { actions, lanePartitions, isRedisKept }: Unfinished,
  signal: AbortSignal,
): Promise<Findings[]> {
  const memories: ActionMemory[] = [];
  for (const { _id } of actions) {
    signal.throwIfAborted();
    memories.push(await readMemory(database, redis, prefix, _id));
  }
  const states = memories.flatMap(({ partitions }) => [...partitions.values()]);
  const isTrusted =
    !states.includes('lost') &&
    (isRedisKept ||
      states.includes('kept') ||
      (await remembersEnded(database, redis, prefix, lanePartitions)));
  const findings: Findings[] = [];
  for (const [i, action] of actions.entries()) {
    const memory = memories[i];
    signal.throwIfAborted();
    if (memory !== undefined) findings.push(await judge(database, redis, prefix, action, memory, isTrusted));
  }
  return findings;
}

async function judge(
  database: Database,
  redis: Redis,
  prefix: string,
  action: ActionDocument,
  memory: ActionMemory,
  isTrusted: boolean,
): Promise<Findings> {
  const { _id: actionId, dispatch, dryRun } = action;
  const again: SeenBatch[] = [];
  const unseen: LostBatch[] = [];
  const unknown: LostBatch[] = [];
  let accepted = 0;
  for (const some of chunksOf(memory.open, AT_ONCE)) {
    const places = await claimedPlaces(redis, prefix, actionId, some);
    for (const [i, { _id, batchNo, partition }] of some.entries()) {
      const place = places[i];
      const state = memory.partitions.get(partition);
      const isKnown = state === 'kept' || (state === 'silent' && isTrusted);
      const mayBeSeen = !isKnown && batchNo < publishedBelow(dispatch);
      if (place === undefined && batchNo >= dispatch.nextBatch && !mayBeSeen) continue;
      const batch = await database.stagedBatches.findOne({ _id });
      if (batch === null) continue;
      if (place === UNKNOWN_PLACE) accepted += 1;
      // A dry run changes nothing, so it may run twice.
      if (place === UNKNOWN_PLACE || (place === undefined && mayBeSeen && !dryRun))
        unknown.push({ action, batch });
      else if (place !== undefined) again.push({ action, batch, place });
      else if (batchNo < dispatch.nextBatch) unseen.push({ action, batch });
    }
  }
  return { action, memory, again, unseen, unknown, isAccepted: accepted === unknown.length };
}

/** Refuses unknown outcomes that the operator has not accepted. @throws FirstPositionsLostError. */
export function checkAccepted(findings: readonly Findings[], accepted: Accepted): void {
  const refused = findings.filter(
    ({ action, isAccepted }) => !isAccepted && accepted !== 'all' && !accepted.has(action._id),
  );
  if (refused.length > 0) throw new FirstPositionsLostError(refused);
}
