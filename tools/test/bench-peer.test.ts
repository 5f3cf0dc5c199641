import { randomUUID } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { workspaceRoot } from '@bulk/local-stack';
import { testUrls } from '@bulk/testing';
import { MongoClient } from 'mongodb';
import { LOG_MODES, type LogMode } from '../src/bench/peer/config.ts';
import { collectionsOf } from '../src/bench/peer/parts.ts';
import { PeerClient } from '../src/bench/peer/peer-client.ts';
import { PeerProcesses } from '../src/bench/peer/peer-processes.ts';
import { buildBundles, type Bundles } from '../src/bench/services/bundles.ts';
import { openDatabase } from '../src/installation/database.ts';
import { seedSampleData } from '../src/operator/seed/sample-data.ts';

const ACCOUNT = 'bench';
const TIMEOUT_MS = 30_000;

let folder: string;
let bundles: Bundles;
beforeAll(async () => {
  // Within the workspace, so that the programs find their packages.
  mkdirSync(join(workspaceRoot, '.nx'), { recursive: true });
  folder = mkdtempSync(join(workspaceRoot, '.nx', 'bench-peer-'));
  bundles = await buildBundles(folder);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Runs work with the peer's processes and five contacts. */
async function withPeer(
  logMode: LogMode,
  work: (client: PeerClient, database: MongoClient, name: string) => Promise<void>,
): Promise<void> {
  const name = `bench_peer_${randomUUID().slice(0, 8)}`;
  const urls = testUrls();
  const env = { ...process.env, ...urls, MONGODB_DATABASE: name, REDIS_PREFIX: name, BATCH_SIZE: '3' };
  const database = await openDatabase('bench-peer', env);
  const counts = { contacts: 5, companies: 0, leads: 0 };
  await seedSampleData(database, { accountId: ACCOUNT, counts, reset: true });
  await database.close();
  const mongo = await MongoClient.connect(urls.MONGODB_URI);
  const logOf = (role: string): string => join(folder, `${role}.log`);
  const peer = await PeerProcesses.start({
    env,
    args: bundles.peer,
    cwd: workspaceRoot,
    concurrency: 2,
    logMode,
    logOf,
  });
  try {
    const client = await PeerClient.connect(peer.url, ACCOUNT);
    await work(client, mongo, name);
    client.close();
  } finally {
    await peer.stop();
    await mongo.db(name).dropDatabase();
    await mongo.close();
  }
}

const ENTITIES = [
  { id: 'contact-1', score: 7 },
  { id: 'contact-2', score: 7 },
  { id: 'contact-1', score: 8 },
  { id: 'contact-3', score: 1_000 },
  { id: 'nobody', score: 7 },
  { id: 'contact-2', score: 8 },
  { id: 'contact-4', score: 7 },
];
const EXPECTED = [
  'success',
  'success',
  'skipped DUPLICATE_ENTITY',
  'failure INVALID_ENTITY',
  'failure ENTITY_NOT_FOUND',
  'skipped DUPLICATE_ENTITY',
  'success',
];

describe('peer of the benchmark', () => {
  it.each(LOG_MODES)(
    'applies, counts and logs every entity of an action once, with a log per %s',
    async (logMode) => {
      await withPeer(logMode, async (client, mongo, name) => {
        const end = await client.run('update', ENTITIES, TIMEOUT_MS);
        expect(end).toMatchObject({ total: 7, processed: 7, success: 3, failure: 2, skipped: 2 });
        const { logs, batchLogs } = collectionsOf(mongo.db(name));
        const found =
          logMode === 'entity'
            ? await logs.find().toArray()
            : (await batchLogs.find().toArray()).flatMap(({ outcomes }) => [...outcomes]);
        const lines = found.toSorted((a, b) => a.position - b.position);
        const text = lines.map(({ status, code }) => (code === null ? status : `${status} ${code}`));
        // Which of two batches meets an entity first is not fixed, only that one of them does.
        expect(text.toSorted()).toEqual(EXPECTED.toSorted());
        const contacts = mongo.db(name).collection<{ _id: string; version: number }>('contacts');
        const versions = await contacts.find().sort({ _id: 1 }).toArray();
        expect(versions.map(({ version }) => version)).toEqual([2, 2, 1, 2, 1]);
      });
    },
  );

  it('writes no contact in an action that measures the queue alone', async () => {
    await withPeer('entity', async (client, mongo, name) => {
      const end = await client.run('noop', [{ id: 'contact-1', score: 7 }], TIMEOUT_MS);
      expect(end).toMatchObject({ status: 'completed', success: 1 });
      const contacts = mongo.db(name).collection<{ _id: string; version: number }>('contacts');
      expect(await contacts.countDocuments({ version: { $gt: 1 } })).toBe(0);
    });
  });
});
