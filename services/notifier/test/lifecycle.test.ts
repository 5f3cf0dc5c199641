import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { loadConfig } from '@bulk/runtime';
import { BreakableLink, eventually, inProcessService } from '@bulk/testing';
import { notifierConfigSchema } from '../src/config.ts';
import { createContainer, TOKENS } from '../src/container.ts';
import { ProgressFeed } from '../src/progress-feed/progress-feed.ts';
import { NotifierServer } from '../src/server/notifier-server.ts';
import { ACCOUNT, NotifierHarness } from './harness.ts';
import { RawClient } from './raw-client.ts';

jest.setTimeout(60_000);

let harness: NotifierHarness;
beforeEach(async () => {
  harness = await NotifierHarness.create();
});
afterEach(() => harness.installation.dispose());

describe('notifier', () => {
  it('resolves its composition root', async () => {
    const service = inProcessService();
    const config = loadConfig(notifierConfigSchema, harness.installation.env);
    const container = await createContainer(config, service.context);
    expect(container.get(TOKENS.server)).toBeInstanceOf(NotifierServer);
    expect(container.get(TOKENS.feed)).toBeInstanceOf(ProgressFeed);
    expect(container.get(TOKENS.hub)).toBe(container.get(TOKENS.hub));
    await service.stop();
  });

  it('is ready when it reads every partition, and leaves nothing behind when it stops', async () => {
    const actionId = await harness.givenAction();
    const notifier = await harness.start();
    expect(notifier.context.health.report()).toMatchObject({
      ready: true,
      components: { 'progress feed': { state: 'ready' }, websocket: { state: 'ready' } },
    });
    expect(await harness.groups()).toHaveLength(1);
    const clients = await Promise.all([1, 2, 3].map(() => harness.connect(notifier)));
    for (const client of clients) await client.subscribe(actionId);
    await notifier.stop();
    for (const client of clients) expect(await client.awaitClose()).toMatchObject({ code: 1001 });
    expect(notifier.context.health.ready).toBe(false);
    expect(notifier.failures).toEqual([]);
    expect(await harness.groups()).toEqual([]);
    await expect(harness.connect(notifier)).rejects.toThrow(/ECONNREFUSED/);
  });

  it('stops soon although clients do not close', async () => {
    const notifier = await harness.start({ CLOSE_TIMEOUT_MS: '200' });
    const raw = await RawClient.connect(notifier.port, ACCOUNT);
    raw.socket.pause();
    const begin = Date.now();
    await notifier.stop();
    expect(Date.now() - begin).toBeLessThan(5_000);
    raw.socket.resume();
    await eventually('the end', () => raw.closed);
  });

  it('receives every event in each of several instances', async () => {
    const actionId = await harness.givenAction();
    const [one, two] = await Promise.all([harness.start(), harness.start()]);
    const clients = [await harness.connect(one), await harness.connect(two)];
    for (const client of clients) await client.subscribe(actionId);
    for (const partition of [0, 1, 2]) await harness.publish({ actionId, version: partition + 2, partition });
    for (const client of clients) await client.awaitVersion(actionId, 4);
    expect(await harness.groups()).toHaveLength(2);
  });

  it('misses no change that is published right after a subscription', async () => {
    const notifier = await harness.start();
    const client = await harness.connect(notifier);
    // The change and the subscription race. In either order the newest state arrives.
    for (let i = 0; i < 30; i += 1) {
      const actionId = await harness.givenAction();
      client.send('subscribe', actionId);
      await harness.database.actions.updateOne(
        { _id: actionId },
        { $set: { version: 2, status: 'completed', counts: { success: 1_000, failure: 0, skipped: 0 } } },
      );
      await harness.publish({ actionId, version: 2, status: 'completed', success: 1_000 });
      await client.awaitVersion(actionId, 2);
      client.send('unsubscribe', actionId);
    }
  });

  it('shows what it missed while its partitions were assigned elsewhere', async () => {
    const actionId = await harness.givenAction();
    const notifier = await harness.start();
    const client = await harness.connect(notifier);
    await client.subscribe(actionId);
    const [groupId] = await harness.groups();
    await harness.database.actions.updateOne({ _id: actionId }, { $set: { version: 7 } });

    const intruder = harness.installation.kafka.consumer({ groupId: groupId! });
    await intruder.connect();
    await intruder.subscribe({ topics: [harness.installation.topics.progress] });
    await intruder.run({ autoCommit: false, eachMessage: () => Promise.resolve() });
    await client.awaitVersion(actionId, 7);

    await harness.database.actions.updateOne({ _id: actionId }, { $set: { version: 8 } });
    await intruder.disconnect();
    await client.awaitVersion(actionId, 8);
    // The feed has all partitions again.
    for (const partition of [0, 1, 2]) {
      await eventually(`an event of partition ${partition}`, async () => {
        const version = client.versionsOf(actionId).at(-1)! + 1;
        await harness.publish({ actionId, version, partition });
        return eventually('it', () => client.versionsOf(actionId).at(-1) === version, { timeoutMs: 2_000 });
      });
    }
  });

  it('skips messages that it cannot decode', async () => {
    const actionId = await harness.givenAction();
    const notifier = await harness.start();
    const client = await harness.connect(notifier);
    await client.subscribe(actionId);
    const producer = harness.installation.kafka.producer();
    await producer.connect();
    const topic = harness.installation.topics.progress;
    await producer.send({
      topic,
      messages: [null, Buffer.from('junk'), Buffer.from([0, 0, 0, 0, 1, 255, 255])].map((value) => ({
        value,
        partition: 0,
      })),
    });
    await producer.disconnect();
    await harness.publish({ actionId, version: 2, partition: 0 });
    await client.awaitVersion(actionId, 2);
    expect(notifier.failures).toEqual([]);
  });

  it('reports to clients and on /healthz that MongoDB is unavailable, stays ready, and recovers', async () => {
    const actionId = await harness.givenAction();
    const uri = new URL(harness.installation.env['MONGODB_URI']!);
    const link = await BreakableLink.to(uri.hostname, Number(uri.port));
    harness.installation.onDispose(() => link.close());
    uri.host = `127.0.0.1:${link.port}`;
    const notifier = await harness.start({
      MONGODB_URI: uri.href,
      MONGODB_TIMEOUT_MS: '500',
      RESYNC_MS: '100',
    });
    const client = await harness.connect(notifier);
    link.break();
    await eventually('not healthy', () => !notifier.context.health.healthy);
    expect(notifier.context.health.report()).toMatchObject({
      ready: true,
      components: { mongodb: { state: 'waiting' } },
    });
    // A load balancer that follows readiness still sends connections.
    await harness.connect(notifier);
    client.send('subscribe', actionId);
    const [error] = await eventually('the refusal', () => client.errors().length > 0 && client.errors());
    expect(error).toMatchObject({ code: 'STORE_UNAVAILABLE', details: { actionId, retryable: true } });
    client.send('subscribeAccount');
    await eventually('the refusal of the account', () => client.errors().length > 1);
    expect(client.errors()[1]).toMatchObject({
      code: 'STORE_UNAVAILABLE',
      details: { accountId: ACCOUNT, retryable: true },
    });
    expect(client.frames.map(({ event }) => event)).toEqual(['error', 'error']);

    link.restore();
    await eventually('healthy', () => notifier.context.health.healthy);
    await client.subscribe(actionId);
    await harness.publish({ actionId, version: 2 });
    await client.awaitVersion(actionId, 2);

    // The resync finds an action that could not be looked up.
    await client.subscribeAccount();
    link.break();
    const unseen = await harness.givenAction();
    await harness.publish({ actionId: unseen, version: 2 });
    await eventually('not healthy', () => !notifier.context.health.healthy);
    link.restore();
    await client.awaitVersion(unseen, 1);
    expect(notifier.failures).toEqual([]);
  });
});
