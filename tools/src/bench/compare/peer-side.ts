import { contact } from '@bulk/action-types';
import { workspaceRoot, type Environment } from '@bulk/local-stack';
import { Redis } from 'ioredis';
import { MongoClient, type Document } from 'mongodb';
import type { CommandContext } from '../../console/command.ts';
import { whileAllLive } from '../../installation/deaths.ts';
import { inParallel } from '../../development/loadtest/in-parallel.ts';
import type { LogMode } from '../peer/config.ts';
import { peerUpdateOf } from '../peer/action-types.ts';
import { COLLECTIONS } from '../peer/documents.ts';
import { PeerClient } from '../peer/peer-client.ts';
import { PeerProcesses } from '../peer/peer-processes.ts';
import { entitiesOf, versionSum } from './contacts.ts';
import { ACCOUNT, ACTION_TIMEOUT_MS, type Side } from './side.ts';

export const PEER_DATABASE = 'bench_peer';
const PREFIX = 'bench-peer';

export interface PeerSideOptions {
  readonly env: Environment;
  readonly urls: { readonly mongodbUri: string; readonly redisUrl: string };
  /** Arguments to Node of the peer's processes. */
  readonly args: readonly string[];
  readonly logMode: LogMode;
  readonly contacts: number;
  readonly batchSize: number;
  /** Number of jobs at the same time, and of raw bulk writes. */
  readonly concurrency: number;
  readonly logOf: (name: string) => string;
}

/** Creates the peer's side of the comparison. */
export async function peerSide(
  options: PeerSideOptions,
  { releasers, signal }: CommandContext,
): Promise<Side> {
  const { env, urls, contacts, concurrency, batchSize } = options;
  const mongo = await MongoClient.connect(urls.mongodbUri, { writeConcern: { w: 'majority' } });
  releasers.push('mongodb of the peer', () => mongo.close());
  const redis = new Redis(urls.redisUrl);
  releasers.push('redis of the peer', () => redis.disconnect());
  const db = mongo.db(PEER_DATABASE);
  const collection = db.collection<Document & { _id: string }>(contact.collection);
  let rawRuns = 0;
  return {
    name: `peer, log per ${options.logMode}`,
    start: async () => {
      for (const name of Object.values(COLLECTIONS))
        await db
          .collection(name)
          .drop()
          .catch(() => undefined);
      await forget(redis);
      const processes = await PeerProcesses.start({
        ...options,
        cwd: workspaceRoot,
        env: {
          ...env,
          MONGODB_URI: urls.mongodbUri,
          MONGODB_DATABASE: PEER_DATABASE,
          REDIS_URL: urls.redisUrl,
          REDIS_PREFIX: PREFIX,
          batchSize: String(batchSize),
        },
      });
      releasers.push('peer', () => processes.stop());
      const client = await PeerClient.connect(processes.url, ACCOUNT);
      return {
        metered: { pids: processes.pids, counted: [] },
        run: async (actionType, entities) => {
          const end = await whileAllLive(
            { services: processes, signal },
            client.run(actionType, entities, ACTION_TIMEOUT_MS),
          );
          if (end.success !== entities.length)
            throw new Error(`${end.success} of ${entities.length} succeeded in the peer`);
        },
        stop: async () => {
          client.close();
          await processes.stop();
        },
      };
    },
    versions: () => versionSum(collection, ACCOUNT),
    raw: async () => {
      const entities = entitiesOf(contacts, rawRuns++);
      let matched = 0;
      const startedAt = performance.now();
      await inParallel(Math.ceil(contacts / batchSize), concurrency, async (batch) => {
        const now = new Date();
        const operations = entities
          .slice(batch * batchSize, (batch + 1) * batchSize)
          .map((entity) => peerUpdateOf(ACCOUNT, entity, now));
        const { matchedCount } = await collection.bulkWrite(operations, { ordered: false });
        matched += matchedCount;
      });
      const seconds = (performance.now() - startedAt) / 1000;
      if (matched !== contacts) throw new Error(`${matched} of ${contacts} contacts were matched`);
      return seconds;
    },
  };
}

/** Removes the peer's keys. */
async function forget(redis: Redis): Promise<void> {
  let cursor = '0';
  do {
    const [next, keys] = await redis.scan(cursor, 'MATCH', `${PREFIX}:*`, 'COUNT', 1_000);
    if (keys.length > 0) await redis.unlink(...keys);
    cursor = next;
  } while (cursor !== '0');
}
