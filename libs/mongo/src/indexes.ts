import type { EntityType } from '@bulk/actions';
import { OUTCOME_STATUSES } from '@bulk/domain';
import type { IndexDescription } from 'mongodb';
import type { Database } from './database.ts';

/**
 * How long a tombstone of a deleted entity is kept, in days. Not shorter than Kafka keeps the batches of a lane
 * (`KAFKA_RETENTION_HOURS`): a batch that is older than the deletion must still meet its fence (G5).
 */
export const TOMBSTONE_DAYS = 7;
const SECONDS_PER_DAY = 86_400;

const LOG_KEY = { actionId: 1, partition: 1, lastPosition: 1 } as const;

/** Creates the indexes that are missing. Safe to call from every service at once. */
export async function ensureIndexes(database: Database, entityTypes: readonly EntityType[]): Promise<void> {
  await database.actions.createIndexes([
    // The account's actions in each order of the list, newest first by default (ids are UUIDs of version 7, which sort by
    // time). A list without a status merges the statuses: uploads are none of them. No index changes with the counts.
    { key: { accountId: 1, status: 1, _id: -1 } },
    { key: { accountId: 1, status: 1, finishedAt: 1, _id: 1 } },
    { key: { accountId: 1, status: 1, scheduledFor: 1, _id: 1 } },
    { key: { accountId: 1, status: 1, total: 1, _id: 1 } },
    // Actions that finished lately, for the subscriptions of an account.
    { key: { accountId: 1, finishedAt: 1, _id: 1 } },
    // Filters of the list that may leave few actions. They change with nothing.
    { key: { accountId: 1, actionType: 1, _id: -1 } },
    { key: { accountId: 1, entityType: 1, _id: -1 } },
    { key: { accountId: 1, lane: 1, _id: -1 } },
    // Decides between requests with the same key that come at the same time.
    {
      key: { accountId: 1, 'idempotency.key': 1 },
      unique: true,
      partialFilterExpression: { 'idempotency.key': { $exists: true } },
    },
    // What is not dispatched yet, oldest first.
    { key: { 'dispatch.done': 1, _id: 1 } },
    // The same by lane and account: leases go round over both.
    { key: { 'dispatch.done': 1, lane: 1, accountId: 1, _id: 1 } },
    // What is in flight: the actions that are under way. It does not change with the counts.
    { key: { status: 1, lane: 1 } },
    // Uploads, for the janitor.
    { key: { status: 1 }, partialFilterExpression: { status: 'staging' } },
    // Ended actions whose staged batches are still kept, for the clean-up. An action leaves the index with its batches.
    {
      name: 'clean_up',
      key: { finishedAt: 1 },
      partialFilterExpression: { 'dispatch.purged': null },
    },
    // Unfinished actions without those that are scheduled for later, for the gauge.
    { name: 'under_way', key: { status: 1, scheduledFor: 1 } },
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
    { key: LOG_KEY },
    // The same for the logs with an outcome of a type: a filtered page reads what it returns, and a retry what failed.
    ...OUTCOME_STATUSES.map((status) => ({
      name: `logs_${status}`,
      key: LOG_KEY,
      partialFilterExpression: { [`counts.${status}`]: { $gt: 0 } },
    })),
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
