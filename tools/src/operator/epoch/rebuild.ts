import { entityBatchEncoder, HEADERS } from '@bulk/contracts';
import { CodedError, UNFINISHED_STATUSES } from '@bulk/domain';
import { encodeRetryHeaders } from '@bulk/handler/retry-headers';
import { MessageProducer, type KafkaConfig } from '@bulk/kafka';
import {
  startEpoch,
  completeEpoch,
  EPOCH_PLACES,
  readOpenEpoch,
  readTopicIds,
  repair,
  type ActionDocument,
  type Database,
} from '@bulk/mongo';
import type { Redis } from '@bulk/redis';
import { silentLogger } from '@bulk/runtime';
import { findLostBatches, type LostBatch } from './lost-batches.ts';
import { provideTopics, type NewTopics } from './new-topics.ts';
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
}

/**
 * Continues an installation whose topics were lost, on new ones.
 *
 * The places of the new topics start beyond every place of the lost ones. A batch that handler had seen, and whose
 * outcome was lost, is given to handler again at its old place, so that the fences of entities recognise what it has
 * changed. It may be killed at any time and repeated. Run it while no service runs.
 *
 * @throws NotReplacedError, NotDrainedError, FirstPositionsLostError; the error of a part that is unavailable.
 */
export async function rebuildKafka(
  database: Database,
  redis: Redis,
  redisPrefix: string,
  config: KafkaConfig,
  signal: AbortSignal,
): Promise<Rebuilt> {
  const found = await provideTopics(config);
  const isOpen = (await readOpenEpoch(database))?.prefix === config.TOPIC_PREFIX;
  const inUse = isOpen ? [] : await topicsInUse(database, found.ids);
  if (inUse.length > 0) throw new NotReplacedError(inUse);
  const running = await membersOf(found.kafka, config.TOPIC_PREFIX);
  if (running.length > 0) throw new NotDrainedError(running);

  // What was published first comes first again, as far as the actions show.
  const unfinished = await database.actions
    .find({ status: { $in: UNFINISHED_STATUSES } })
    .sort({ queuedAt: 1, createdAt: 1, _id: 1 })
    .toArray();
  const lost: LostBatch[] = [];
  for (const action of unfinished) {
    signal.throwIfAborted();
    await settleLogs(database, action._id);
    lost.push(...(await findLostBatches(database, redis, redisPrefix, action)));
  }
  const epoch = await startEpoch(database, config.TOPIC_PREFIX, found.ids);
  const producer = await MessageProducer.connect(found.kafka, found.codec, silentLogger());
  try {
    await publishLost(found, producer, lost, epoch * EPOCH_PLACES);
  } finally {
    await producer.disconnect();
  }
  // What the search for missing batches, and retry topics, refer to is gone.
  await database.actions.updateMany(
    { status: { $in: UNFINISHED_STATUSES } },
    { $unset: { 'dispatch.sweep': '', 'dispatch.postponed': '' } },
  );
  await completeEpoch(database);
  const again = lost.filter(({ place }) => place !== undefined).length;
  return { epoch, actions: unfinished.length, again, published: lost.length - again };
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

/** Publishes lost batches in the order in which their lanes had them, and then those that no handler has seen. */
async function publishLost(
  { codec, topics }: NewTopics,
  producer: MessageProducer,
  lost: readonly LostBatch[],
  base: number,
): Promise<void> {
  const seen = lost.flatMap((one) => (one.place === undefined ? [] : [{ ...one, place: one.place }]));
  seen.sort((a, b) => a.place - b.place);
  const now = Date.now();
  for (const { action, batch, place } of seen) {
    const topic = topics.entityBatches[action.lane];
    const key = Buffer.from(action._id);
    const value = await codec.encode(topic, contentOf(action, batch, false));
    const message = {
      topic,
      partition: batch.partition,
      offset: place - base,
      key,
      value,
      headers: headersOf(batch),
    };
    const headers = encodeRetryHeaders({
      message,
      postponed: 1,
      firstTriedAt: now,
      notBefore: now,
      progress: { attempts: 0, faults: 0, isolated: false, successes: [], others: [], requests: [] },
    });
    await producer.forward(topics.retries.short, [{ key, value, partition: batch.partition, headers }]);
  }
  for (const { action, batch, place } of lost) {
    if (place !== undefined) continue;
    const value = contentOf(action, batch, action.cancelRequestedAt !== null);
    const topic = topics.entityBatches[action.lane];
    await producer.send(topic, [
      { key: action._id, value, partition: batch.partition, headers: headersOf(batch) },
    ]);
  }
}

function contentOf(action: ActionDocument, batch: LostBatch['batch'], cancelled: boolean) {
  const { _id: actionId, accountId, actionType, entityType, lane, config, dryRun, retry = null } = action;
  const identity = { actionId, accountId, actionType, entityType, lane };
  return entityBatchEncoder(identity, config, { dryRun, cancelled, retry })(batch);
}

function headersOf({ actionId, batchNo }: LostBatch['batch']): Record<string, string> {
  return { [HEADERS.actionId]: actionId, [HEADERS.batchNo]: String(batchNo) };
}
