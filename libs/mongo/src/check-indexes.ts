import type { EntityType } from '@bulk/action-types';
import { DependencyError } from '@bulk/domain';
import type { RetentionConfig } from '@bulk/runtime';
import type { IndexDescription } from 'mongodb';
import type { Database } from './database.ts';
import { plannedIndexes } from './indexes.ts';
import { readIndexes } from './index-list.ts';

/**
 * Thrown at start if an index does not exist, is still being built, or removes tombstones too early, and this process
 * must not change it.
 */
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

/**
 * Checks that every index is complete, and that tombstones live longer than Kafka keeps any copy of a batch.
 *
 * @param entityTypes the entity types whose collections the caller uses.
 * @throws IndexesMissingError that names every index that is missing or still being built; the driver's error if MongoDB
 * does not answer.
 */
export async function checkIndexes(
  database: Database,
  entityTypes: readonly EntityType[],
  retention: RetentionConfig,
): Promise<void> {
  const faults: string[] = [];
  for (const { collection, indexes, tombstones } of plannedIndexes(database, entityTypes, retention)) {
    const { complete, building } = await readIndexes(database, collection);
    const wanted = (tombstones === undefined ? indexes : [...indexes, tombstones]).map(nameOf);
    const missing = wanted.filter((name) => !complete.has(name) && !building.has(name));
    if (missing.length > 0) faults.push(`collection ${collection} lacks the indexes ${missing.join(', ')}`);
    const unfinished = wanted.filter((name) => building.has(name));
    if (unfinished.length > 0)
      faults.push(
        `MongoDB is still building the indexes ${unfinished.join(', ')} of collection ${collection}`,
      );
    if (tombstones === undefined) continue;
    const name = nameOf(tombstones);
    const seconds = complete.get(name)?.expireAfterSeconds;
    if (seconds !== undefined && seconds < tombstones.expireAfterSeconds)
      faults.push(
        `index ${name} of collection ${collection} removes tombstones after ${seconds} s, and KAFKA_RETENTION_HOURS requires ${tombstones.expireAfterSeconds} s`,
      );
  }
  if (faults.length > 0) throw new IndexesMissingError(faults);
}

/** Returns the name that an index has, or that the driver gives it. */
function nameOf({ name, key }: IndexDescription): string {
  return name ?? Object.entries(key).flat().join('_');
}
