import type { EntityType } from '@bulk/action-types';
import { openDependency, type RetentionConfig, type ServiceContext } from '@bulk/runtime';
import type { MongoConfig } from './config.ts';
import { Database } from './database.ts';
import { STORE_UNAVAILABLE } from './errors.ts';
import { ensureIndexes } from './indexes.ts';

/** Name of the database on `/healthz`. */
export const MONGODB = 'mongodb';

/**
 * Waits for MongoDB, connects, and creates the missing indexes. The connection is closed when the service releases what
 * it opened.
 *
 * @param entityTypes the entity types whose collections this service uses.
 * @throws the signal's reason if the service is stopped first.
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
