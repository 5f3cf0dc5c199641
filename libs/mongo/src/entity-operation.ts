import type { WriteScope } from '@bulk/action-types';
import {
  clippedChanges,
  leavesMark,
  MAX_MARK_CHANGES_BYTES,
  recordOf,
  trailOf,
  type AppliedMark,
  type EntityChange,
  type EntityState,
  type Fence,
  type ResolvedWrite,
  type UpdateChange,
  type UpsertChange,
} from '@bulk/domain';
import type { AnyBulkWriteOperation, Condition, Document, Filter } from 'mongodb';
import { entityKey, type EntityDocument } from './documents.ts';

type Target = Pick<EntityChange, 'entityId' | 'notAfter'>;
type Operation = AnyBulkWriteOperation<EntityDocument>;

/** Maximum number of marks that an entity keeps. */
const MAX_MARKS = 100;

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
      return createOperation(scope, change, change.set);
    case 'delete':
      return deleteOperation(scope, change, change.expectedVersion);
  }
}

/**
 * An upsert inserts if nothing matches. If there is only a tombstone, the insert collides on `_id` and changes nothing.
 */
function patchOperation(scope: WriteScope, change: UpdateChange | UpsertChange): Operation {
  const { set, unset, entityId, expectedVersion } = change;
  const record = recordOf(change);
  const patched = new Set([...Object.keys(set), ...unset]);
  const filter = livingFilter(scope, change, expectedVersion);
  if (record === undefined) {
    const update: Document = { $set: { ...set, ...stamp(scope) }, ...unsetting(unset), $inc: { version: 1 } };
    return { updateOne: { filter, update } };
  }
  // Defaults of the entity type. Patched fields are set or absent in a new entity anyway.
  const rest = Object.entries(record).filter(([field]) => !patched.has(field));
  const update: Document = {
    $set: { ...set, ...stampOfUpsert(scope) },
    ...unsetting([...unset, trailField(scope)]),
    $setOnInsert: { ...Object.fromEntries(rest), ...identity(scope, entityId), ...born(scope) },
    $inc: { version: 1 },
  };
  return { updateOne: { filter, update, upsert: true } };
}

/**
 * Returns the write of a change that was resolved for the entity as it was read. Its filter contains the version that was
 * read, so that it matches nothing if the entity has changed since.
 *
 * The mark of a change is pushed, because a change of another lane that raised no version may have left a mark
 * since the read.
 *
 * @param stored the entity as it was read; undefined if there was none.
 */
export function resolvedOperation(
  scope: WriteScope,
  change: EntityChange,
  write: ResolvedWrite,
  stored: EntityState | undefined,
): Operation {
  const { effect, set, unset } = write;
  const fence: Fence = { ...placeOf(scope), trail: trailOf(write) };
  const mark = leavesMark(change) ? markOf(scope, change, write) : undefined;
  const marks: Document =
    mark === undefined ? {} : { $push: { applied: { $each: [mark], $slice: -MAX_MARKS } } };
  if (effect === 'created')
    return createOperation(scope, change, set, { fence, version: stored?.version, marks });
  if (effect === 'deleted') return deleteOperation(scope, change, stored?.version, fence, mark);
  const filter = livingFilter(scope, change, stored?.version);
  const { lane } = scope.at;
  // The fence must be there even if nothing changes: a redelivery then finds that this batch was applied.
  if (effect === 'unchanged')
    return { updateOne: { filter, update: { $set: { [`fence.${lane}`]: fence }, ...marks } } };
  const update: Document = {
    $set: { ...set, [`fence.${lane}`]: fence, updatedAt: scope.now },
    ...unsetting(unset),
    ...marks,
    $inc: { version: 1 },
  };
  return { updateOne: { filter, update } };
}

/** Returns the mark of a change, if the action is known. */
function markOf(
  { actionId }: WriteScope,
  { position }: EntityChange,
  write: ResolvedWrite,
): AppliedMark | undefined {
  if (actionId === undefined) return undefined;
  const { changes, ...trail } = trailOf(write);
  return {
    actionId,
    ...(position === undefined ? {} : { position }),
    ...trail,
    ...(changes === undefined ? {} : { changes: clippedChanges(changes, MAX_MARK_CHANGES_BYTES) }),
  };
}

/**
 * Matches only a tombstone, which it revives: its version, fences and marks continue. Otherwise it inserts. The
 * insert collides on `_id` with an existing entity, and with a tombstone that a later batch has left.
 *
 * @param read what the write adds to the record, and the version of the tombstone that was read; undefined if there
 *   was none.
 */
function createOperation(
  scope: WriteScope,
  { entityId, notAfter }: Target,
  record: Document,
  read?: { readonly fence: Fence; readonly version: number | undefined; readonly marks: Document },
): Operation {
  const filter: Filter<EntityDocument> = {
    ...fenceFilter(scope, entityId),
    deletedAt: { $exists: true, ...notAfterCondition(notAfter) },
  };
  const fields = { ...record, ...identity(scope, entityId) };
  if (read === undefined) {
    const update: Document = {
      $set: { ...fields, ...stampOfUpsert(scope) },
      ...unsetting(['deletedAt', trailField(scope)]),
      $setOnInsert: born(scope),
      $inc: { version: 1 },
    };
    return { updateOne: { filter, update, upsert: true } };
  }
  const update: Document = {
    $set: { ...fields, [`fence.${scope.at.lane}`]: read.fence, updatedAt: scope.now },
    ...unsetting(['deletedAt']),
    ...read.marks,
    $inc: { version: 1 },
  };
  // Where there was no tombstone, none may match: the version would continue that of the tombstone.
  const version = read.version === undefined ? { $exists: false } : atVersion(read.version);
  return { updateOne: { filter: { ...filter, version }, update, upsert: true } };
}

/** Replaces the entity by a tombstone. Without it, an older create of a stalled handler would bring the entity back. */
function deleteOperation(
  scope: WriteScope,
  target: Target,
  expectedVersion: number | undefined,
  fence: Fence = placeOf(scope),
  mark?: AppliedMark,
): Operation {
  const { at, now } = scope;
  const tombstone = {
    _id: '$_id',
    accountId: '$accountId',
    id: '$id',
    version: { $add: [{ $ifNull: ['$version', 0] }, 1] },
    fence: { $mergeObjects: ['$fence', { [at.lane]: { $literal: fence } }] },
    // A replay of a change must find its mark. The field stays absent if there is none.
    applied: mark === undefined ? '$applied' : withMark(mark),
    createdAt: '$createdAt',
    updatedAt: now,
    deletedAt: now,
  };
  return {
    updateOne: {
      filter: livingFilter(scope, target, expectedVersion),
      update: [{ $replaceWith: tombstone }],
    },
  };
}

/** Returns the marks of an entity with one more. The stored marks may have become more since the entity was read. */
function withMark(mark: AppliedMark): Document {
  const all = { $concatArrays: [{ $ifNull: ['$applied', []] }, [{ $literal: mark }]] };
  return { $slice: [all, -MAX_MARKS] };
}

function livingFilter(
  scope: WriteScope,
  { entityId, notAfter }: Target,
  version: number | undefined,
): Filter<EntityDocument> {
  return {
    ...fenceFilter(scope, entityId),
    deletedAt: { $exists: false },
    ...(version === undefined ? {} : { version: atVersion(version) }),
    ...(notAfter === undefined ? {} : { createdAt: notAfterCondition(notAfter) }),
  };
}

/** Returns the condition that a time is not after a limit. It holds for an absent time too. */
function notAfterCondition(limit: Date | undefined): { readonly $not?: { readonly $gt: Date } } {
  return limit === undefined ? {} : { $not: { $gt: limit } };
}

/** Returns the condition that an entity has a version. One that another program added may have none, which counts as 0. */
function atVersion(version: number): Condition<number> {
  return version === 0 ? { $not: { $gt: 0 } } : version;
}

function fenceFilter({ at, accountId }: WriteScope, entityId: string): Filter<EntityDocument> {
  // The second condition also matches an entity without a fence. Its form does not matter: the stand-in for MongoDB takes
  // its fast path for `_id` alone, and any second condition costs it about the same.
  return { _id: entityKey(accountId, entityId), [`fence.${at.lane}.offset`]: { $not: { $gte: at.offset } } };
}

function placeOf({ at }: WriteScope): Fence {
  return { partition: at.partition, offset: at.offset };
}

/** Returns the fields that every change except a deletion sets. */
function stamp(scope: WriteScope): Document {
  return { [`fence.${scope.at.lane}`]: placeOf(scope), updatedAt: scope.now };
}

/** Returns the same fields in the form that allows an insert to set `born` in addition. */
function stampOfUpsert({ at, now }: WriteScope): Document {
  const { lane, partition, offset } = at;
  return { [`fence.${lane}.partition`]: partition, [`fence.${lane}.offset`]: offset, updatedAt: now };
}

/** Returns the field by which a replay finds that its first run inserted the entity. */
function born({ at }: WriteScope): Document {
  return { [`fence.${at.lane}.born`]: at.offset };
}

/** The trail belongs to one batch. */
function trailField({ at }: WriteScope): string {
  return `fence.${at.lane}.trail`;
}

function unsetting(fields: readonly string[]): Document {
  return fields.length === 0 ? {} : { $unset: Object.fromEntries(fields.map((field) => [field, ''])) };
}

/** Returns the fields that a new entity has in addition to those of its type. */
function identity({ accountId, now }: WriteScope, entityId: string): Document {
  return { accountId, id: entityId, createdAt: now };
}
