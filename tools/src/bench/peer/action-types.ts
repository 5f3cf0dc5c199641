import { contact } from '@bulk/action-types';
import { failure, success, type Outcome } from '@bulk/domain';
import {
  MongoBulkWriteError,
  type AnyBulkWriteOperation,
  type Collection,
  type Db,
  type Document,
} from 'mongodb';
import type { PeerEntity } from './documents.ts';

const DUPLICATE_KEY = 11_000;
const VALIDATION_FAILED = 121;

interface PeerContact extends Document {
  readonly _id: string;
}

/** Applies the entities of a batch, and returns an outcome for each, in their order. */
export type PeerActionType = (
  entities: readonly PeerEntity[],
  context: { readonly accountId: string; readonly now: Date },
) => Promise<Outcome[]>;

/** Creates the action types of the peer. */
export function peerActionTypes(db: Db): ReadonlyMap<string, PeerActionType> {
  const contacts = db.collection<PeerContact>(contact.collection);
  return new Map<string, PeerActionType>([
    ['update', (entities, context) => update(contacts, entities, context)],
    ['noop', (entities) => Promise.resolve(entities.map(() => success()))],
  ]);
}

/** Returns the update that the peer writes for one entity. */
export function peerUpdateOf(
  accountId: string,
  { id, ...fields }: PeerEntity,
  now: Date,
): { updateOne: { filter: { _id: string }; update: Document } } {
  return {
    updateOne: {
      filter: { _id: `${accountId}:${id}` },
      update: { $set: { ...fields, updatedAt: now }, $inc: { version: 1 } },
    },
  };
}

/** Updates contacts by one bulk write. */
async function update(
  contacts: Collection<PeerContact>,
  entities: readonly PeerEntity[],
  { accountId, now }: { readonly accountId: string; readonly now: Date },
): Promise<Outcome[]> {
  if (entities.length === 0) return [];
  const operations = entities.map((entity) => peerUpdateOf(accountId, entity, now));
  const { matched, refused } = await write(contacts, operations);
  if (matched === entities.length) return entities.map(() => success());
  const keys = operations.map(({ updateOne }) => updateOne.filter._id);
  const found = await contacts.find({ _id: { $in: keys } }, { projection: { _id: 1 } }).toArray();
  const present = new Set(found.map(({ _id }) => _id));
  return keys.map((key, i) => {
    const refusal = refused.get(i);
    if (refusal !== undefined) return failure('WRITE_REFUSED', refusal);
    return present.has(key) ? success() : failure('ENTITY_NOT_FOUND', 'no contact has this id');
  });
}

/** @throws an error that a retry of the job may not meet again. */
async function write(
  contacts: Collection<PeerContact>,
  operations: AnyBulkWriteOperation<PeerContact>[],
): Promise<{ matched: number; refused: ReadonlyMap<number, string> }> {
  try {
    const { matchedCount } = await contacts.bulkWrite(operations, { ordered: false });
    return { matched: matchedCount, refused: new Map() };
  } catch (error) {
    const refusals = error instanceof MongoBulkWriteError ? [error.writeErrors].flat() : [];
    const final = refusals.every(({ code }) => code === DUPLICATE_KEY || code === VALIDATION_FAILED);
    if (refusals.length === 0 || !final) throw error;
    return {
      matched: -1,
      refused: new Map(refusals.map(({ index, errmsg }) => [index, errmsg ?? 'refused'])),
    };
  }
}
