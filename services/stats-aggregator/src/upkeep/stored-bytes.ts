import { stored, type Database } from '@bulk/mongo';
import { z } from 'zod';

/** The collections of the platform that grow with its work. */
const GROWING = ['actions', 'action_logs', 'staged_batches'] as const;

const statsSchema = z.array(
  z.object({ storageStats: z.object({ storageSize: z.number(), totalIndexSize: z.number() }) }),
);

/**
 * Reads how many bytes of MongoDB's storage each growing collection takes, with its indexes.
 *
 * @throws StoreError; ZodError if the server reports no sizes.
 */
export async function storedBytes(database: Database): Promise<Map<string, number>> {
  return new Map(
    await Promise.all(GROWING.map(async (name) => [name, await bytesOf(database, name)] as const)),
  );
}

async function bytesOf({ db }: Database, collection: string): Promise<number> {
  // A sharded collection has one row for each shard.
  const rows = await stored(
    db
      .collection(collection)
      .aggregate([{ $collStats: { storageStats: {} } }])
      .toArray(),
  );
  return statsSchema
    .parse(rows)
    .reduce((sum, { storageStats }) => sum + storageStats.storageSize + storageStats.totalIndexSize, 0);
}
