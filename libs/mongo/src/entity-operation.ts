import type { WriteScope } from '@bulk/actions';
import { recordOf, type EntityChange, type UpdateChange, type UpsertChange } from '@bulk/domain';
import type { AnyBulkWriteOperation, Document, Filter } from 'mongodb';
import { entityKey, type EntityDocument } from './documents.ts';

type Operation = AnyBulkWriteOperation<EntityDocument>;

/**
 * The write of a change. Its filter holds whatever must be true for it: that no batch as late as this one of the same lane
 * has changed the entity (G5), that it is there or deleted, and its version. Hence a change that matched was right to be
 * made, and one that did not match changed nothing.
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

/** An upsert inserts where nothing matches; where only a tombstone is, that insert collides on `_id` and changes nothing. */
function patchOperation(scope: WriteScope, change: UpdateChange | UpsertChange): Operation {
  const { set, unset, entityId, expectedVersion } = change;
  const record = recordOf(change);
  const patched = new Set([...Object.keys(set), ...unset]);
  const update: Document = { $set: { ...set, ...stamp(scope) }, $inc: { version: 1 } };
  if (unset.length > 0) update['$unset'] = Object.fromEntries(unset.map((field) => [field, '']));
  if (record !== undefined) {
    // Defaults of the entity type; what is patched is set or absent in a new entity anyway.
    const rest = Object.entries(record).filter(([field]) => !patched.has(field));
    update['$setOnInsert'] = { ...Object.fromEntries(rest), ...identity(scope, entityId) };
  }
  const filter = livingFilter(scope, entityId, expectedVersion);
  return { updateOne: { filter, update, ...(record === undefined ? {} : { upsert: true }) } };
}

/**
 * Matches a tombstone alone, which it revives: its version and fences go on. Otherwise it inserts, which collides on `_id`
 * with an entity that is there, and with a tombstone that a later batch has left.
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

/** Leaves a tombstone in place: without it a stalled handler's older create would bring the entity back. */
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
  // The second condition also matches where there is no fence yet.
  return { _id: entityKey(accountId, entityId), [`fence.${at.lane}.offset`]: { $not: { $gte: at.offset } } };
}

/** What every change but a deletion leaves. */
function stamp({ at, now }: WriteScope): Document {
  return { [`fence.${at.lane}`]: { partition: at.partition, offset: at.offset }, updatedAt: now };
}

/** What a new entity has beside its fields. */
function identity({ accountId, now }: WriteScope, entityId: string): Document {
  return { accountId, id: entityId, createdAt: now };
}
