import type { EntityType } from '@bulk/action-types';
import { DependencyError } from '@bulk/domain';
import type { RetentionConfig } from '@bulk/runtime';
import { MongoServerError, type IndexDescription, type IndexDescriptionInfo } from 'mongodb';
import type { Database } from './database.ts';
import { plannedIndexes } from './indexes.ts';

/** Thrown at start if an index does not exist, or removes tombstones too early, and this process must not change it. */
export class IndexesMissingError extends DependencyError {
  constructor(faults: readonly string[]) {
    super(
      'INDEXES_MISSING',
      `${faults.join('; ')}; ENSURE_INDEXES is false, so the installer changes indexes (ops install)`,
      'unknown',
      undefined,
    );
  }
}

/** MongoDB's NamespaceNotFound: the collection does not exist. */
const NO_COLLECTION = 26;

/**
 * Checks that every index exists, and that tombstones live longer than Kafka keeps any copy of a batch.
 *
 * @param entityTypes the entity types whose collections the caller uses.
 * @throws IndexesMissingError that names every missing index; the driver's error if MongoDB does not answer.
 */
export async function checkIndexes(
  database: Database,
  entityTypes: readonly EntityType[],
  retention: RetentionConfig,
): Promise<void> {
  const faults: string[] = [];
  for (const { collection, indexes, tombstones } of plannedIndexes(database, entityTypes, retention)) {
    const found = await indexesOf(database, collection);
    const wanted = tombstones === undefined ? indexes : [...indexes, tombstones];
    const missing = wanted.map(nameOf).filter((name) => !found.has(name));
    if (missing.length > 0) faults.push(`collection ${collection} lacks the indexes ${missing.join(', ')}`);
    if (tombstones === undefined) continue;
    const name = nameOf(tombstones);
    const seconds = found.get(name)?.expireAfterSeconds;
    if (seconds !== undefined && seconds < tombstones.expireAfterSeconds)
      faults.push(
        `index ${name} of collection ${collection} removes tombstones after ${seconds} s, and KAFKA_RETENTION_HOURS requires ${tombstones.expireAfterSeconds} s`,
      );
  }
  if (faults.length > 0) throw new IndexesMissingError(faults);
}

async function indexesOf(
  { db }: Database,
  collection: string,
): Promise<ReadonlyMap<string, IndexDescriptionInfo>> {
  try {
    const found = await db.collection(collection).listIndexes().toArray();
    return new Map((found as IndexDescriptionInfo[]).map((index) => [String(index.name), index]));
  } catch (error) {
    if (error instanceof MongoServerError && error.code === NO_COLLECTION) return new Map();
    throw error;
  }
}

/** Returns the name that an index has, or that the driver gives it. */
function nameOf({ name, key }: IndexDescription): string {
  return name ?? Object.entries(key).flat().join('_');
}
