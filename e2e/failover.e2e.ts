import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { connectRedis, redisConfigSchema } from '@bulk/redis';
import { loadConfig, silentLogger } from '@bulk/runtime';
import { eventually } from '@bulk/testing';
import { ReplicatedRedis } from '@bulk/testing/replicated-redis';
import { InstallationUnderTest, modelOf, scenario, type Scenario } from './installation-under-test.ts';

const SIZE = 8_000;
const MARK = 'failover';
let servers: ReplicatedRedis;
let system: InstallationUnderTest;
beforeAll(async () => {
  servers = await ReplicatedRedis.start();
  system = await InstallationUnderTest.start({ handler: 2 }, {}, { ...servers.env, BATCH_SIZE: '20' });
}, 120_000);
afterAll(async () => {
  await system.dispose();
  await servers.stop();
});

/** Every entity of the first half comes again in the second half, long after its first claim. */
function repeated(): Scenario {
  const { before, entities } = scenario(SIZE / 2, MARK);
  const again = entities.map(({ id }, i) => ({ id, ref: `again ${i}`, lastName: `Again ${i}` }));
  return { before, entities: [...entities, ...again] };
}

/** Returns the bytes that a server has written, or received from its primary. */
async function offsetOf(name: 'primary' | 'replica'): Promise<number> {
  const redis = await connectRedis(loadConfig(redisConfigSchema, servers.envOf(name)), silentLogger());
  try {
    return Number(/master_repl_offset:(\d+)/.exec(await redis.info('replication'))?.[1]);
  } finally {
    redis.disconnect();
  }
}

describe('a primary of Redis that dies in the middle of an action', () => {
  it('is replaced by a replica that lacks its last writes, and no entity is changed twice', async () => {
    const { before, entities } = repeated();
    const model = modelOf({ before, entities });
    await system.givenContacts(before);
    const client = system.client();
    const { actionId } = await client.createAction({ actionType: 'update', entities: [...entities] });
    const completed = client.waitForCompletion(actionId, { timeoutMs: 90_000 });
    completed.catch(() => undefined);

    await eventually(
      'the action is under way',
      async () =>
        ((await system.database.actions.findOne({ _id: actionId }))?.counts.success ?? 0) >= SIZE / 50,
      { everyMs: 10 },
    );
    servers.replication.hang();
    // Handlers claim in vain meanwhile.
    await eventually(
      'the replica lacks claims',
      async () => (await offsetOf('primary')) - (await offsetOf('replica')) > 300,
      { everyMs: 20 },
    );
    await servers.kill('primary');
    const atDeath = await system.database.actions.findOne({ _id: actionId });
    expect(atDeath?.status).toBe('processing');
    await eventually('the sentinel names the replica', async () => {
      const config = loadConfig(redisConfigSchema, servers.env);
      const redis = await connectRedis(config, silentLogger());
      try {
        return (await redis.info('server')).includes(`tcp_port:${servers.portOf('replica')}\r`);
      } finally {
        redis.disconnect();
      }
    });
    // Claims wait for a replica of the new primary.
    await servers.resume('primary', ['--replicaof', '127.0.0.1', String(servers.portOf('replica'))]);

    expect(await completed).toMatchObject({ status: 'completed', processed: SIZE });
    await system.expectOutcome(actionId, MARK, model);
    client.close();
  }, 120_000);
});
