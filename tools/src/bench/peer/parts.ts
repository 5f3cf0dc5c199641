import { once } from 'node:events';
import { Releasers, silentLogger } from '@bulk/runtime';
import { Redis } from 'ioredis';
import { MongoClient, type Collection, type Db } from 'mongodb';
import type { PeerConfig } from './config.ts';
import { COLLECTIONS, type PeerAction, type PeerBatchLog, type PeerLog } from './documents.ts';

/** The collections of the peer. */
export interface PeerCollections {
  readonly actions: Collection<PeerAction>;
  readonly logs: Collection<PeerLog>;
  readonly batchLogs: Collection<PeerBatchLog>;
}

export function collectionsOf(db: Db): PeerCollections {
  return {
    actions: db.collection<PeerAction>(COLLECTIONS.actions),
    logs: db.collection<PeerLog>(COLLECTIONS.logs),
    batchLogs: db.collection<PeerBatchLog>(COLLECTIONS.batchLogs),
  };
}

/** The real parts of a process of the peer, and what closes them. */
export interface PeerParts extends PeerCollections {
  readonly config: PeerConfig;
  readonly db: Db;
  readonly connectRedis: () => Promise<Redis>;
  readonly releasers: Releasers;
}

/** Number of connections to MongoDB in addition to one per job. */
const SPARE_CONNECTIONS = 20;

/** Connects to MongoDB and creates the peer's own indexes. */
export async function openParts(config: PeerConfig): Promise<PeerParts> {
  const releasers = new Releasers(silentLogger());
  const client = new MongoClient(config.MONGODB_URI, {
    appName: 'peer',
    maxPoolSize: config.PEER_CONCURRENCY + SPARE_CONNECTIONS,
    writeConcern: { w: 'majority' },
    ignoreUndefined: true,
  });
  await client.connect();
  releasers.push('mongodb', () => client.close());
  const db = client.db(config.MONGODB_DATABASE);
  const collections = collectionsOf(db);
  await collections.actions.createIndexes([
    { key: { accountId: 1, _id: -1 } },
    { key: { accountId: 1, status: 1, _id: -1 } },
  ]);
  await collections.logs.createIndexes([{ key: { actionId: 1, status: 1, _id: 1 } }]);
  await collections.batchLogs.createIndexes([{ key: { actionId: 1, batchNo: 1 } }]);
  const connectRedis = async (): Promise<Redis> => {
    const redis = new Redis(config.REDIS_URL, { maxRetriesPerRequest: null });
    redis.on('error', (error) => report('redis', error));
    releasers.push('redis', () => redis.disconnect());
    if (redis.status !== 'ready') await once(redis, 'ready');
    return redis;
  };
  return { config, db, connectRedis, releasers, ...collections };
}

/** Writes a fault to the process' log. */
export function report(what: string, error: unknown): void {
  process.stderr.write(`peer, ${what}: ${error instanceof Error ? error.message : String(error)}\n`);
}
