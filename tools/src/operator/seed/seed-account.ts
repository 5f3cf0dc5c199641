import { entityKey, type Database, type EntityDocument } from '@bulk/mongo';
import type { AnyBulkWriteOperation, Document } from 'mongodb';
import type { SampleType } from './records.ts';

export interface SeedRequest {
  readonly accountId: string;
  readonly sample: SampleType;
  /** The highest number of the records that must exist, starting at 1. */
  readonly count: number;
  /**
   * Whether the account's records of this type are deleted first, including those that others have
   * made.
   */
  readonly reset: boolean;
}

export interface SeedResult {
  readonly inserted: number;
  readonly kept: number;
}

/** Base of the creation times, in ms since the epoch: record n was created n minutes later. */
const EPOCH_MS = Date.UTC(2026, 0, 1);
const MINUTE_MS = 60_000;
const CHUNK = 1_000;

/**
 * Adds the missing sample records and leaves the others as they are. A second run changes nothing.
 *
 * @throws ZodError if a sample record does not fit its entity type.
 */
export async function seedAccount(
  database: Database,
  { accountId, sample, count, reset }: SeedRequest,
  signal?: AbortSignal,
): Promise<SeedResult> {
  const collection = database.entities(sample.type.collection);
  if (reset) await collection.deleteMany({ accountId });
  let inserted = 0;
  for (let from = 1; from <= count; from += CHUNK) {
    signal?.throwIfAborted();
    const numbers = Array.from({ length: Math.min(CHUNK, count - from + 1) }, (_, i) => from + i);
    const keys = numbers.map((number) => entityKey(accountId, sample.idOf(number)));
    const found = await collection.find({ _id: { $in: keys } }, { projection: { deletedAt: 1 } }).toArray();
    const present = new Map(found.map((document) => [document._id, document]));
    const missing = numbers.flatMap((number, i): AnyBulkWriteOperation<EntityDocument>[] => {
      const stored = present.get(keys[i] ?? '');
      if (stored === undefined) return [{ insertOne: { document: documentOf(accountId, sample, number) } }];
      return stored.deletedAt === undefined ? [] : [revival(documentOf(accountId, sample, number))];
    });
    if (missing.length > 0) await collection.bulkWrite(missing, { ordered: false });
    inserted += missing.length;
  }
  return { inserted, kept: count - inserted };
}

/** Restores a deleted record. Its version and its fences continue. */
function revival({ _id, version, ...rest }: EntityDocument): AnyBulkWriteOperation<EntityDocument> {
  const update: Document = { $set: rest, $unset: { deletedAt: '' }, $inc: { version } };
  return { updateOne: { filter: { _id, deletedAt: { $exists: true } }, update } };
}

/** Builds the document of sample record `number`, as the entity type accepts it. */
export function documentOf(accountId: string, sample: SampleType, number: number): EntityDocument {
  const id = sample.idOf(number);
  const at = new Date(EPOCH_MS + number * MINUTE_MS);
  return {
    ...sample.type.recordSchema.parse(sample.fieldsOf(number)),
    _id: entityKey(accountId, id),
    accountId,
    id,
    version: 1,
    createdAt: at,
    updatedAt: at,
  };
}
