import { entityKey, type Database, type EntityDocument } from '@bulk/mongo';
import type { SampleType } from './records.ts';

export interface SeedRequest {
  readonly accountId: string;
  readonly sample: SampleType;
  /** Records 1 to `count` are to be there. */
  readonly count: number;
  /** Delete the account's records of this type first, also those that others have made. */
  readonly reset: boolean;
}

export interface SeedResult {
  readonly inserted: number;
  readonly kept: number;
}

/** Sample records were created one minute after the other, from then on. */
const EPOCH_MS = Date.UTC(2026, 0, 1);
const MINUTE_MS = 60_000;
const CHUNK = 1_000;

/**
 * Adds the sample records that are missing and leaves the others as they are; a second run changes nothing.
 *
 * @throws ZodError when a sample record does not fit its entity type.
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
    const found = await collection.find({ _id: { $in: keys } }, { projection: { _id: 1 } }).toArray();
    const present = new Set(found.map(({ _id }) => _id));
    const missing = numbers
      .filter((_, i) => !present.has(keys[i] ?? ''))
      .map((number) => documentOf(accountId, sample, number));
    if (missing.length > 0) await collection.insertMany(missing, { ordered: false });
    inserted += missing.length;
  }
  return { inserted, kept: count - inserted };
}

/** The document of sample record `number`, as the entity type takes it. */
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
