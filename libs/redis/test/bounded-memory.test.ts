import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { cacheFolder, provideRedis, releasePorts, reservePorts } from '@bulk/local-stack';
import { loadConfig, silentLogger } from '@bulk/runtime';
import { eventually } from '@bulk/testing';
import { connectRedis } from '../src/client.ts';
import { redisConfigSchema } from '../src/config.ts';
import { FirstPositions, releaseFirstPositions } from '../src/first-positions.ts';
import type { Redis } from '../src/index.ts';

const PROVISIONING_MS = 300_000;
const PREFIX = 'bulk:';
const PARTITIONS = 6;
const ENTITIES = 200_000;
const BATCH = 100;

const folder = mkdtempSync(join(tmpdir(), 'bulk-redis-'));
let port: number;
let server: ChildProcess;
let ended: Promise<unknown>;
let redis: Redis;
beforeAll(async () => {
  const context = { cache: cacheFolder(), env: process.env, log: console.log };
  const program = await provideRedis(context);
  port = (await reservePorts(cacheFolder(), new Map([['redis', []]]))).get('redis') ?? 0;
  const bounds = ['--maxmemory', '12mb', '--maxmemory-policy', 'noeviction'];
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', folder, ...bounds];
  server = spawn(program, args, { stdio: 'ignore' });
  ended = once(server, 'exit');
  const config = loadConfig(redisConfigSchema, { REDIS_URL: `redis://127.0.0.1:${port}` });
  redis = await eventually('Redis answers', () => connectRedis(config, silentLogger()));
}, PROVISIONING_MS);
afterAll(async () => {
  redis.disconnect();
  server.kill();
  await ended;
  await releasePorts(cacheFolder(), [port]);
  rmSync(folder, { recursive: true });
});

/** Claims every entity of an action, with the partitions in parallel, as handlers do. */
async function run(firsts: FirstPositions, actionId: string): Promise<void> {
  const claim = async (batchNo: number): Promise<void> => {
    const entities = Array.from({ length: BATCH }, (_, i) => {
      const position = batchNo * BATCH + i;
      return { position, id: `contact-${position}` };
    });
    const partition = batchNo % PARTITIONS;
    const asked = { actionId, batchNo, generation: 0, partition, offset: batchNo, entities };
    expect(await firsts.claim(asked)).toMatchObject({ kind: 'claimed' });
  };
  for (let batchNo = 0; batchNo < ENTITIES / BATCH; batchNo += PARTITIONS) {
    const next = Array.from({ length: PARTITIONS }, (_, i) => batchNo + i);
    await Promise.all(next.filter((each) => each < ENTITIES / BATCH).map(claim));
  }
}

it('three actions of 200,000 entities in a row fit into a Redis of 12 MB without eviction', async () => {
  const firsts = new FirstPositions(redis, PREFIX, 3_600);
  const actionIds = Array.from({ length: 3 }, (_, i) => `0191c2f0-0000-7000-8000-00000000000${i}`);
  for (const [i, actionId] of actionIds.entries()) {
    await run(firsts, actionId);
    // An action is kept for some time after its end: here until the next one has ended.
    await releaseFirstPositions(redis, PREFIX, actionIds.slice(0, i), PARTITIONS);
  }
  expect(await redis.keys(`${PREFIX}*`)).toHaveLength(PARTITIONS);
}, 300_000);
