import { contact } from '@bulk/action-types';
import { DEFAULT_LANE } from '@bulk/domain';
import { entityKey, type Database, type EntityDocument } from '@bulk/mongo';
import type { AnyBulkWriteOperation, Document } from 'mongodb';
import { inParallel } from '../development/loadtest/in-parallel.ts';
import { SAMPLE_CONTACTS } from '../operator/seed/records.ts';

export interface RawWriteOptions {
  readonly accountId: string;
  readonly contacts: number;
  /** Number of updates per bulk write. */
  readonly batchSize: number;
  /** Number of concurrent bulk writes. */
  readonly concurrency: number;
  /** Number of earlier measurements on the same contacts, whose fences these writes must pass. @default 0 */
  readonly run?: number;
}

/** The fence of the lane that an action without a priority takes. */
const FENCE = `fence.${DEFAULT_LANE}`;
/** Beyond any offset of the action's batches, so that every fence lets these writes pass. */
const FIRST_OFFSET = 1_000_000_000;

/**
 * Does the bulk writes that handler does for such an action, with the same filters and updates, and
 * nothing else.
 *
 * @returns seconds.
 * @throws Error if a contact was not matched, because then other writes would have been measured.
 */
export async function measureRawWrites(database: Database, options: RawWriteOptions): Promise<number> {
  const { accountId, contacts, batchSize, concurrency, run = 0 } = options;
  const collection = database.entities(contact.collection);
  const startedAt = performance.now();
  let matched = 0;
  await inParallel(Math.ceil(contacts / batchSize), concurrency, async (batch) => {
    const offset = FIRST_OFFSET * (run + 1) + batch;
    const size = Math.min(batchSize, contacts - batch * batchSize);
    const operations = Array.from({ length: size }, (_, i) =>
      updateOf(accountId, batch * batchSize + i + 1, offset),
    );
    const result = await collection.bulkWrite(operations, { ordered: false });
    matched += result.matchedCount;
  });
  const seconds = (performance.now() - startedAt) / 1000;
  if (matched !== contacts) throw new Error(`${matched} of ${contacts} contacts were matched`);
  return seconds;
}

function updateOf(accountId: string, number: number, offset: number): AnyBulkWriteOperation<EntityDocument> {
  const filter = {
    _id: entityKey(accountId, SAMPLE_CONTACTS.idOf(number)),
    [`${FENCE}.offset`]: { $not: { $gte: offset } },
  };
  const update: Document = {
    $set: {
      ownerId: `user-${number % 25}`,
      score: number % 101,
      [FENCE]: { partition: 0, offset },
      updatedAt: new Date(),
    },
    $inc: { version: 1 },
  };
  return { updateOne: { filter, update } };
}
