import type { EntityType } from '@bulk/actions';
import type { IndexDescription } from 'mongodb';
import type { Database } from './database.ts';

/**
 * How long a tombstone of a deleted entity is kept, in days. Not shorter than Kafka keeps the batches of a lane
 * (`KAFKA_RETENTION_HOURS`): a batch that is older than the deletion must still meet its fence (G5).
 */
export const TOMBSTONE_DAYS = 7;
const SECONDS_PER_DAY = 86_400;

/** Creates the indexes that are missing. Safe to call from every service at once. */
export async function ensureIndexes(database: Database, entityTypes: readonly EntityType[]): Promise<void> {
  await database.actions.createIndexes([
    // The account's actions, newest first (ids are UUIDs of version 7, which sort by time).
    { key: { accountId: 1, _id: -1 } },
    { key: { accountId: 1, status: 1, _id: -1 } },
    // The other orders of the list. None of them changes with the counts.
    { key: { accountId: 1, finishedAt: 1, _id: 1 } },
    { key: { accountId: 1, scheduledFor: 1, _id: 1 } },
    { key: { accountId: 1, total: 1, _id: 1 } },
    // Decides between requests with the same key that come at the same time.
    {
      key: { accountId: 1, 'idempotency.key': 1 },
      unique: true,
      partialFilterExpression: { 'idempotency.key': { $exists: true } },
    },
    // What is to be dispatched, by when. Leases go round over lanes and accounts, in the order of what is due at once.
    {
      key: { 'dispatch.dueAt': 1, lane: 1, accountId: 1, _id: 1 },
      partialFilterExpression: { 'dispatch.dueAt': { $exists: true } },
    },
    // What is in flight. It does not change with the counts.
    {
      key: { 'dispatch.inFlight': 1, lane: 1, accountId: 1 },
      partialFilterExpression: { 'dispatch.inFlight': { $exists: true } },
    },
    // Uploads, for the janitor.
    { key: { status: 1 }, partialFilterExpression: { status: 'staging' } },
    // Actions that ended and whose staged batches are still kept; the others would be looked through time and again.
    { key: { 'dispatch.purged': 1, finishedAt: 1 } },
    // Webhooks that are due; actions without a callback, or with one that is settled, are not in it.
    {
      key: { status: 1, 'callback.dueAt': 1, accountId: 1 },
      partialFilterExpression: { 'callback.dueAt': { $exists: true } },
    },
  ]);
  await database.stagedBatches.createIndexes([{ key: { actionId: 1, batchNo: 1 }, unique: true }]);
  await database.actionLogs.createIndexes([
    { key: { actionId: 1, partition: 1, batchNo: 1 }, unique: true },
    // A page of logs begins behind a position: in each partition, at the first bucket that ends behind it.
    { key: { actionId: 1, partition: 1, lastPosition: 1 } },
  ]);
  for (const type of entityTypes) {
    await database.entities(type.collection).createIndexes([...entityIndexes(type), TOMBSTONE_INDEX]);
  }
}

/** Removes tombstones in time; partial, so that living entities cost nothing. */
const TOMBSTONE_INDEX: IndexDescription = {
  key: { deletedAt: 1 },
  partialFilterExpression: { deletedAt: { $exists: true } },
  expireAfterSeconds: TOMBSTONE_DAYS * SECONDS_PER_DAY,
};

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
