import type { WriteScope } from '@bulk/action-types';
import { recordOf, type EntityChange, type UpdateChange, type UpsertChange } from '@bulk/domain';
import type { AnyBulkWriteOperation, Document, Filter } from 'mongodb';
import { entityKey, type EntityDocument } from './documents.ts';

type Operation = AnyBulkWriteOperation<EntityDocument>;

/**
 * Returns the write of a change. Its filter contains every condition of the change: no batch as late as this one of the
 * same lane has changed the entity (G5), the entity exists or is deleted, and it has the expected version. So a change
 * that matched was allowed, and one that did not match changed nothing.
 */
export function operationOf(scope: WriteScope, change: EntityChange): Operation {
  switch (change.kind) {
    case 'update':
    case 'upsert':
      return patchOperation(scope, change);
    case 'create':
      return createOperation(scope, change.entityId, change.set);
    case 'delete':
      return deleteOperation(scope, change.entityId, change.expectedVersion);
  }
}

/**
 * An upsert inserts if nothing matches. If there is only a tombstone, the insert collides on `_id` and changes nothing.
 */
function patchOperation(scope: WriteScope, change: UpdateChange | UpsertChange): Operation {
  const { set, unset, entityId, expectedVersion } = change;
  const record = recordOf(change);
  const patched = new Set([...Object.keys(set), ...unset]);
  const update: Document = { $set: { ...set, ...stamp(scope) }, $inc: { version: 1 } };
  if (unset.length > 0) update['$unset'] = Object.fromEntries(unset.map((field) => [field, '']));
  if (record !== undefined) {
    // Defaults of the entity type. Patched fields are set or absent in a new entity anyway.
    const rest = Object.entries(record).filter(([field]) => !patched.has(field));
    update['$setOnInsert'] = { ...Object.fromEntries(rest), ...identity(scope, entityId) };
  }
  const filter = livingFilter(scope, entityId, expectedVersion);
  return { updateOne: { filter, update, ...(record === undefined ? {} : { upsert: true }) } };
}

/**
 * Matches only a tombstone, which it revives: its version and fences continue. Otherwise it inserts. The insert
 * collides on `_id` with an existing entity, and with a tombstone that a later batch has left.
 */
function createOperation(scope: WriteScope, entityId: string, record: Document): Operation {
  const filter: Filter<EntityDocument> = { ...fenceFilter(scope, entityId), deletedAt: { $exists: true } };
  const update: Document = {
    $set: { ...record, ...identity(scope, entityId), ...stamp(scope) },
    $unset: { deletedAt: '' },
    $inc: { version: 1 },
  };
  return { updateOne: { filter, update, upsert: true } };
}

/** Replaces the entity by a tombstone. Without it, an older create of a stalled handler would bring the entity back. */
function deleteOperation(
  scope: WriteScope,
  entityId: string,
  expectedVersion: number | undefined,
): Operation {
  const { at, now } = scope;
  const tombstone = {
    _id: '$_id',
    accountId: '$accountId',
    id: '$id',
    version: { $add: ['$version', 1] },
    fence: { $mergeObjects: ['$fence', { [at.lane]: { partition: at.partition, offset: at.offset } }] },
    createdAt: '$createdAt',
    updatedAt: now,
    deletedAt: now,
  };
  return {
    updateOne: {
      filter: livingFilter(scope, entityId, expectedVersion),
      update: [{ $replaceWith: tombstone }],
    },
  };
}

function livingFilter(
  scope: WriteScope,
  entityId: string,
  version: number | undefined,
): Filter<EntityDocument> {
  return {
    ...fenceFilter(scope, entityId),
    deletedAt: { $exists: false },
    ...(version === undefined ? {} : { version }),
  };
}

function fenceFilter({ at, accountId }: WriteScope, entityId: string): Filter<EntityDocument> {
  // The second condition also matches an entity without a fence. Its form does not matter: the stand-in for MongoDB takes
  // its fast path for `_id` alone, and any second condition costs it about the same.
  return { _id: entityKey(accountId, entityId), [`fence.${at.lane}.offset`]: { $not: { $gte: at.offset } } };
}

/** Returns the fields that every change except a deletion sets. */
function stamp({ at, now }: WriteScope): Document {
  return { [`fence.${at.lane}`]: { partition: at.partition, offset: at.offset }, updatedAt: now };
}

/** Returns the fields that a new entity has in addition to those of its type. */
function identity({ accountId, now }: WriteScope, entityId: string): Document {
  return { accountId, id: entityId, createdAt: now };
}
