import { CodedError, UNFINISHED_STATUSES } from '@bulk/domain';
import type { KafkaConfig } from '@bulk/kafka';
import {
  checkDatabaseOwner,
  startEpoch,
  completeEpoch,
  EPOCH_PLACES,
  readOpenEpoch,
  readTopicIds,
  repair,
  type Database,
} from '@bulk/mongo';
import type { Redis } from '@bulk/redis';
import { configuredLifetimes } from '@bulk/runtime';
import { checkAccepted, findLostBatches, type Accepted } from './lost-batches.ts';
import { LostBatchPublisher } from './lost-batch-publisher.ts';
import { provideTopics } from './new-topics.ts';
import { restoreFirstPositions } from './redis-memory.ts';
import { membersOf } from './undrained.ts';
import { NotDrainedError } from './migrate.ts';

/**
 * Thrown when topics are those that the installation uses. Their messages have places already, so they cannot be used with
 * topics that start beyond those places.
 */
export class NotReplacedError extends CodedError {
  constructor(topics: readonly string[]) {
    super(
      'NOT_REPLACED',
      `the installation still uses ${topics.join(', ')}: nothing is done. If other topics were lost, delete these as well`,
    );
  }
}

export interface Rebuilt {
  readonly epoch: number;
  /** Number of unfinished actions. */
  readonly actions: number;
  /** Number of batches that handler had seen and that have no outcome. They keep their place. */
  readonly again: number;
  /** Number of batches that were published and never seen. They are published again. */
  readonly published: number;
  /** Number of batches that get OUTCOME_UNKNOWN, because nothing is left that says whether they were applied. */
  readonly unknown: number;
}

/** What the operator knows and accepts. */
export interface RebuildOptions {
  /** Actions whose positions may get OUTCOME_UNKNOWN. @default none */
  readonly accepted?: Accepted;
  /** Whether Redis is known to have kept its data. @default false */
  readonly isRedisKept?: boolean;
}

/** The parts of an installation that a rebuild works on. */
export interface RebuildParts {
  readonly database: Database;
  readonly redis: Redis;
  readonly redisPrefix: string;
  readonly config: KafkaConfig;
}

/**
 * Continues an installation whose topics were lost, on new ones.
 *
 * The places of the new topics start beyond every place of the lost ones. A batch that handler had seen, and whose
 * outcome was lost, comes first in its lane and keeps its old place, so that the fences of entities recognise what it has
 * changed, and nothing that was behind it overtakes it. Batches that handler had not seen follow, in the order of the
 * dispatch of their actions, and later actions follow them. The command may be killed at any time and repeated with the
 * same options. Run it while no service runs.
 *
 * @throws ForeignDatabaseError, NotReplacedError, NotDrainedError, FirstPositionsLostError, before anything but empty
 * topics was changed; the error of a part that is unavailable.
 */
export async function rebuildKafka(
  { database, redis, redisPrefix, config }: RebuildParts,
  signal: AbortSignal,
  { accepted = new Set(), isRedisKept = false }: RebuildOptions = {},
): Promise<Rebuilt> {
  await checkDatabaseOwner(database, config.TOPIC_PREFIX);
  const found = await provideTopics(config);
  const isOpen = (await readOpenEpoch(database))?.prefix === config.TOPIC_PREFIX;
  const inUse = isOpen ? [] : await topicsInUse(database, found.ids);
  if (inUse.length > 0) throw new NotReplacedError(inUse);
  const running = await membersOf(found.kafka, config.TOPIC_PREFIX);
  if (running.length > 0) throw new NotDrainedError(running);

  // What was published first comes first again, as far as the actions show.
  const actions = await database.actions
    .find({ status: { $in: UNFINISHED_STATUSES } })
    .sort({ queuedAt: 1, createdAt: 1, _id: 1 })
    .toArray();
  const searched = { actions, lanePartitions: config.KAFKA_LANE_PARTITIONS, isRedisKept };
  const findings = await findLostBatches(database, redis, redisPrefix, searched, signal);
  checkAccepted(findings, accepted);
  for (const { _id } of actions) await settleLogs(database, _id);
  const epoch = await startEpoch(database, config.TOPIC_PREFIX, found.ids);
  const ttlSeconds = Math.ceil(configuredLifetimes(config).recognisedMs / 1_000);
  for (const { action, memory, unknown } of findings) {
    signal.throwIfAborted();
    const named = unknown.map(({ batch }) => batch);
    await restoreFirstPositions(database, redis, redisPrefix, action._id, memory, named, ttlSeconds);
  }
  const publisher = await LostBatchPublisher.connect(found, epoch * EPOCH_PLACES);
  try {
    await publisher.publish(findings);
  } finally {
    await publisher.disconnect();
  }
  // What the search for missing batches, and retry topics, refer to is gone.
  await database.actions.updateMany(
    { status: { $in: UNFINISHED_STATUSES } },
    { $unset: { 'dispatch.sweep': '', 'dispatch.postponed': '' } },
  );
  await completeEpoch(database);
  const numberOf = (kind: 'again' | 'unseen' | 'unknown'): number =>
    findings.reduce((sum, { [kind]: batches }) => sum + batches.length, 0);
  return {
    epoch,
    actions: actions.length,
    again: numberOf('again'),
    published: numberOf('unseen'),
    unknown: numberOf('unknown'),
  };
}

/** Returns the topics that have the id which the installation has recorded. */
async function topicsInUse(database: Database, ids: ReadonlyMap<string, string>): Promise<string[]> {
  const recorded = await readTopicIds(database, [...ids.keys()]);
  return [...ids].filter(([topic, id]) => recorded.get(topic) === id).map(([topic]) => topic);
}

/**
 * Counts the logs of an action that were stored and not counted when its results were lost.
 *
 * Counts refer to places in the results. No result of the lost topic will come, so every log counts.
 */
async function settleLogs(database: Database, actionId: string): Promise<void> {
  const last = await database.actionLogs
    .aggregate<{ readonly _id: number; readonly offset: number }>([
      { $match: { actionId } },
      { $group: { _id: '$source.partition', offset: { $max: '$source.offset' } } },
    ])
    .toArray();
  // Batches that the dispatch has skipped are no results.
  const results = last.filter(({ _id: partition }) => partition >= 0);
  if (results.length > 0) {
    const upTo = Object.fromEntries(results.map(({ _id, offset }) => [`applied.${_id}`, offset]));
    await database.actions.updateOne({ _id: actionId }, { $max: upTo });
  }
  await repair(database, actionId, new Date());
}
