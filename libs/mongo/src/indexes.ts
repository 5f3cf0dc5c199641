import type { EntityType } from '@bulk/action-types';
import { OUTCOME_STATUSES, STAGING } from '@bulk/domain';
import { configuredLifetimes, retentionConfigShape, type RetentionConfig } from '@bulk/runtime';
import { MongoServerError, type Collection, type IndexDescription } from 'mongodb';
import { z } from 'zod';
import type { Database } from './database.ts';

const LOG_KEY = { actionId: 1, partition: 1, lastPosition: 1 } as const;

const ACTION_INDEXES: readonly IndexDescription[] = [
  // The account's actions in each order of the list, newest first by default (ids are UUIDs of version 7, which sort
  // by time). A list without a status merges the statuses; uploads have none of them. No index changes with the
  // counts.
  { key: { accountId: 1, status: 1, _id: -1 } },
  { key: { accountId: 1, status: 1, finishedAt: 1, _id: 1 } },
  { key: { accountId: 1, status: 1, scheduledFor: 1, _id: 1 } },
  { key: { accountId: 1, status: 1, total: 1, _id: 1 } },
  // Actions that finished lately, for the subscriptions of an account.
  { key: { accountId: 1, finishedAt: 1, _id: 1 } },
  // Filters of the list that may match few actions. Their fields never change.
  { key: { accountId: 1, actionType: 1, _id: -1 } },
  { key: { accountId: 1, entityType: 1, _id: -1 } },
  { key: { accountId: 1, lane: 1, _id: -1 } },
  // Decides between requests with the same key that come at the same time.
  {
    key: { accountId: 1, 'idempotency.key': 1 },
    unique: true,
    partialFilterExpression: { 'idempotency.key': { $exists: true } },
  },
  // The retries of a chain, in order. Decides between retries of the same entities that come at the same time.
  {
    key: { 'retryChain.id': 1, 'retryChain.no': 1 },
    unique: true,
    partialFilterExpression: { 'retryChain.no': { $exists: true } },
  },
  // Due dispatches, by time. Leases are given in turn over lanes and accounts, in the order of the actions due at
  // once.
  {
    key: { 'dispatch.dueAt': 1, lane: 1, accountId: 1, _id: 1 },
    partialFilterExpression: { 'dispatch.dueAt': { $exists: true } },
  },
  // Batches in flight. The index does not change with the counts.
  {
    key: { 'dispatch.inFlight': 1, lane: 1, accountId: 1 },
    partialFilterExpression: { 'dispatch.inFlight': { $exists: true } },
  },
  // Uploads, for the janitor.
  { key: { status: 1 }, partialFilterExpression: { status: STAGING } },
  // Actions whose first positions are still in Redis. Those with dead letters keep them for a replay.
  {
    key: { 'codes.DEAD_LETTERED': 1, finishedAt: 1 },
    partialFilterExpression: { 'dispatch.firstPositions': true },
  },
  // Ended actions whose staged batches are still kept, for the clean-up. An action leaves the index with its batches.
  {
    name: 'clean_up',
    key: { finishedAt: 1 },
    partialFilterExpression: { 'dispatch.purged': null },
  },
  // Unfinished actions without those that are scheduled for later, for the gauge.
  { name: 'under_way', key: { status: 1, scheduledFor: 1 } },
  // Webhooks that are due. Actions without a callback, or with a settled one, are not in the index.
  {
    key: { status: 1, 'callback.dueAt': 1, accountId: 1 },
    partialFilterExpression: { 'callback.dueAt': { $exists: true } },
  },
];

const STAGED_BATCH_INDEXES: readonly IndexDescription[] = [
  { key: { actionId: 1, batchNo: 1 }, unique: true },
];

const LOG_INDEXES: readonly IndexDescription[] = [
  { key: { actionId: 1, partition: 1, batchNo: 1 }, unique: true },
  // A page of logs starts after a position: in each partition, at the first bucket that ends after it.
  { key: LOG_KEY },
  // The same for the logs with an outcome of a type: a filtered page reads what it returns, and a retry what failed.
  ...OUTCOME_STATUSES.map((status) => ({
    name: `logs_${status}`,
    key: LOG_KEY,
    partialFilterExpression: { [`counts.${status}`]: { $gt: 0 } },
  })),
];

type TombstoneIndex = IndexDescription & { readonly expireAfterSeconds: number };

/** The indexes of one collection, and the one of them that removes tombstones in time. */
export interface CollectionIndexes {
  readonly collection: string;
  readonly indexes: readonly IndexDescription[];
  readonly tombstones: TombstoneIndex | undefined;
}

/** Returns every index of an installation. @param retention how long Kafka keeps records. */
export function plannedIndexes(
  database: Database,
  entityTypes: readonly EntityType[],
  retention: RetentionConfig,
): CollectionIndexes[] {
  const without = (
    { collectionName }: Pick<Collection, 'collectionName'>,
    indexes: readonly IndexDescription[],
  ): CollectionIndexes => ({ collection: collectionName, indexes, tombstones: undefined });
  return [
    without(database.actions, ACTION_INDEXES),
    without(database.stagedBatches, STAGED_BATCH_INDEXES),
    without(database.actionLogs, LOG_INDEXES),
    ...entityTypes.map((type) => ({
      collection: type.collection,
      indexes: entityIndexes(type),
      tombstones: tombstoneIndex(retention),
    })),
  ];
}

/**
 * Creates the missing indexes. Every service may call it at the same time.
 *
 * @param retention how long Kafka keeps records. Tombstones live longer, also if their index exists with another time.
 *   Absent: an existing index keeps its time.
 */
export async function ensureIndexes(
  database: Database,
  entityTypes: readonly EntityType[],
  retention?: RetentionConfig,
): Promise<void> {
  for (const planned of plannedIndexes(database, entityTypes, retention ?? DEFAULT_RETENTION)) {
    const { collection, indexes, tombstones } = planned;
    if (tombstones === undefined) await database.db.collection(collection).createIndexes([...indexes]);
    else await ensureEntityIndexes(database, { ...planned, tombstones }, retention !== undefined);
  }
}

/** MongoDB's IndexOptionsConflict: the index exists with other options. */
const OTHER_OPTIONS = 85;
const DEFAULT_RETENTION = z.object(retentionConfigShape).parse({});

async function ensureEntityIndexes(
  { db }: Database,
  { collection, indexes, tombstones }: CollectionIndexes & { readonly tombstones: TombstoneIndex },
  changeTime: boolean,
): Promise<void> {
  const entities = db.collection(collection);
  try {
    await entities.createIndexes([...indexes, tombstones]);
  } catch (error) {
    if (!(error instanceof MongoServerError) || error.code !== OTHER_OPTIONS) throw error;
    if (changeTime) {
      const { key: keyPattern, expireAfterSeconds } = tombstones;
      await db.command({ collMod: collection, index: { keyPattern, expireAfterSeconds } });
    }
    if (indexes.length > 0) await entities.createIndexes([...indexes]);
  }
}

/**
 * Returns the index that removes tombstones in time. It is partial, so living entities cost nothing. A tombstone
 * outlives every copy of a batch that is older than the deletion, since such a batch must still meet its fence (G5).
 */
function tombstoneIndex(retention: RetentionConfig): TombstoneIndex {
  return {
    key: { deletedAt: 1 },
    partialFilterExpression: { deletedAt: { $exists: true } },
    expireAfterSeconds: Math.ceil(configuredLifetimes(retention).recognisedMs / 1_000),
  };
}

function entityIndexes(type: EntityType): IndexDescription[] {
  return type.indexes.map(({ fields, unique }) => ({
    key: Object.fromEntries(['accountId', ...fields].map((field) => [field, 1])),
    ...(unique === true
      ? {
          unique: true,
          partialFilterExpression: Object.fromEntries(fields.map((field) => [field, { $exists: true }])),
        }
      : {}),
  }));
}
