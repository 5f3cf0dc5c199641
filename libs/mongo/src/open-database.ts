import type { EntityType } from '@bulk/actions';
import { openDependency, type RetentionConfig, type ServiceContext } from '@bulk/runtime';
import type { MongoConfig } from './config.ts';
import { Database } from './database.ts';
import { STORE_UNAVAILABLE } from './errors.ts';
import { ensureIndexes } from './indexes.ts';

/** Name of the database on `/readyz`. */
export const MONGODB = 'mongodb';

/**
 * Connects, waiting for MongoDB, and creates what indexes are missing; closed when the service releases what it opened.
 *
 * @param entityTypes those whose collections this service has to do with.
 * @throws the signal's reason when the service is told to stop first.
 */
export async function openDatabase(
  appName: string,
  config: MongoConfig & RetentionConfig,
  entityTypes: readonly EntityType[],
  context: ServiceContext,
): Promise<Database> {
  const database = await openDependency(MONGODB, () => Database.connect(appName, config), context);
  context.releasers.push(MONGODB, () => database.close());
  context.dependencies.add({ name: MONGODB, code: STORE_UNAVAILABLE, probe: () => database.ping() });
  await openDependency('mongodb indexes', () => ensureIndexes(database, entityTypes, config), context);
  return database;
}
