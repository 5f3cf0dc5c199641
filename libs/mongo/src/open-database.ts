import type { EntityType } from '@bulk/action-types';
import {
  openDependency,
  type DependencyOptions,
  type RetentionConfig,
  type ServiceContext,
} from '@bulk/runtime';
import { checkIndexes } from './check-indexes.ts';
import type { MongoConfig } from './config.ts';
import { claimDatabase } from './database-owner.ts';
import { Database } from './database.ts';
import { STORE_UNAVAILABLE } from './errors.ts';
import { ensureIndexes } from './indexes.ts';

/** Name of the database on `/healthz`. */
export const MONGODB = 'mongodb';
const READS = 'mongodb reads';
const INDEXES = 'mongodb indexes';
/** Name on `/healthz` of the check that the database belongs to the installation. */
export const OWNER = 'mongodb owner';

/** The prefix of the topics of the installation to which a process belongs. */
export interface InstallationConfig {
  readonly TOPIC_PREFIX: string;
}

/**
 * Waits for MongoDB and connects. It waits while the database belongs to another installation. It creates the missing indexes, or, if ENSURE_INDEXES is false, waits until the
 * installer has created them. The connection is closed when the service releases what it opened.
 *
 * @param entityTypes the entity types whose collections this service uses.
 * @throws the signal's reason if the service is stopped first.
 */
export async function openDatabase(
  appName: string,
  config: MongoConfig & RetentionConfig & InstallationConfig,
  entityTypes: readonly EntityType[],
  context: ServiceContext,
): Promise<Database> {
  const database = await openDependency(MONGODB, () => Database.connect(appName, config), context);
  context.releasers.push(MONGODB, () => database.close());
  context.dependencies.add({ name: MONGODB, code: STORE_UNAVAILABLE, probe: () => database.ping() });
  await openDependency(OWNER, () => claimDatabase(database, config.TOPIC_PREFIX), context);
  if (config.ENSURE_INDEXES) await openIndexes(appName, config, entityTypes, context);
  else await openDependency(INDEXES, () => checkIndexes(database, entityTypes, config), context);
  return database;
}

/**
 * Waits for MongoDB and connects for long reads; see `Database.connectForReads`. The connections are closed when the
 * service releases what it opened.
 *
 * @throws the signal's reason if the service is stopped first.
 */
export async function openReads(
  appName: string,
  config: MongoConfig,
  reads: Parameters<typeof Database.connectForReads>[2],
  context: ServiceContext,
): Promise<Database> {
  const connect = (): Promise<Database> => Database.connectForReads(appName, config, reads);
  const database = await openDependency(READS, connect, context);
  context.releasers.push(READS, () => database.close());
  return database;
}

/**
 * Waits for MongoDB and creates the missing indexes, on a connection of its own that waits for long builds.
 *
 * @throws the signal's reason if the service is stopped first.
 */
export async function openIndexes(
  appName: string,
  config: MongoConfig & RetentionConfig,
  entityTypes: readonly EntityType[],
  context: DependencyOptions,
): Promise<void> {
  await openDependency(INDEXES, () => buildIndexes(appName, config, entityTypes, context.signal), context);
}

/** Creates the missing indexes until the signal aborts. */
async function buildIndexes(
  appName: string,
  config: MongoConfig & RetentionConfig,
  entityTypes: readonly EntityType[],
  signal: AbortSignal,
): Promise<void> {
  const builder = await Database.connectForIndexes(appName, config);
  const close = (): void => void builder.close().catch(() => undefined);
  signal.addEventListener('abort', close, { once: true });
  try {
    signal.throwIfAborted();
    await ensureIndexes(builder, entityTypes, config);
  } finally {
    signal.removeEventListener('abort', close);
    await builder.close().catch(() => undefined);
  }
}
