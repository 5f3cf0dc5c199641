import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { connectRedisInBackground, redisConfigShape } from '@bulk/redis';
import { loadConfig, silentLogger } from '@bulk/runtime';
import { z } from 'zod';
import { AWAY, Exposition, eventually, linkTo } from '@bulk/testing';
import { FrameLimit } from '../src/limits/frame-limit.ts';
import { NotifierHarness, type RunningNotifier, type TestClient } from './harness.ts';

jest.setTimeout(60_000);

let harness: NotifierHarness;
beforeAll(async () => {
  harness = await NotifierHarness.create();
});
afterAll(() => harness.installation.dispose());

const newAccount = (): string => `account-${randomUUID()}`;

/** Sends frames that are answered by one frame each, and waits for the answers. */
async function sendFrames(client: TestClient, count: number): Promise<string[]> {
  const before = client.frames.length;
  for (let i = 0; i < count; i += 1) client.send('unsubscribe', randomUUID());
  await eventually('the answers', () => client.frames.length === before + count);
  return client.events().slice(before);
}

const isAnswer = (event: string): boolean => event === 'subscribedAccount';
const answers = (unsubscribed: number, errors = 0): string[] => [
  ...Array.from({ length: unsubscribed }, () => 'unsubscribed'),
  ...Array.from({ length: errors }, () => 'error'),
];

describe('the frame limit', () => {
  it('is shared by all instances and counts each account separately', async () => {
    const env = { WS_RATE_LIMIT_MAX: '10', WS_RATE_LIMIT_TIMEOUT_MS: '20000' };
    const [one, two] = [await harness.start(env), await harness.start(env)];
    const account = newAccount();
    const [first, second] = [await harness.connect(one, account), await harness.connect(two, account)];
    expect(await sendFrames(first, 5)).toEqual(answers(5));
    expect(await sendFrames(second, 6)).toEqual(answers(5, 1));
    expect(await sendFrames(first, 1)).toEqual(answers(0, 1));
    const [error] = first.errors();
    expect(error).toMatchObject({
      code: 'RATE_LIMITED',
      details: { actionId: expect.any(String), retryable: true, retryAfterMs: expect.any(Number) },
    });
    const { retryAfterMs } = error!.details as { retryAfterMs: number };
    expect(retryAfterMs).toBeGreaterThan(0);
    expect(retryAfterMs).toBeLessThanOrEqual(60_000);
    const other = await harness.connect(one, newAccount());
    expect(await sendFrames(other, 10)).toEqual(answers(10));
    await Promise.all([one.stop(), two.stop()]);
  });

  it('counts a frame once even if the answer of Redis is late', async () => {
    const config = loadConfig(z.object(redisConfigShape), harness.installation.env);
    const redis = connectRedisInBackground(config, 20_000, silentLogger());
    await once(redis, 'ready');
    let isSlow = true;
    const evaluate = redis.eval.bind(redis) as (...args: unknown[]) => Promise<unknown>;
    const slow = {
      eval: async (...args: unknown[]): Promise<unknown> => {
        const answer = await evaluate(...args);
        if (isSlow) throw new Error('Command timed out');
        return answer;
      },
    };
    let now = 0;
    const take = new FrameLimit({
      redis: slow,
      prefix: `${randomUUID()}:`,
      max: 1_000,
      unnamedMax: 1,
      windowMs: 60_000,
      now: () => now,
      log: silentLogger(),
    }).of('acme');
    const takeEach = async (count: number): Promise<number> => {
      let passed = 0;
      for (let i = 0; i < count; i += 1) {
        if ((await take()) === 0) passed += 1;
        now += 100;
      }
      return passed;
    };
    expect(await takeEach(300)).toBe(300);
    isSlow = false;
    now += 1_000;
    expect(await takeEach(100)).toBe(100);
    let passed = 400;
    while ((await take()) === 0) passed += 1;
    expect(passed).toBe(1_000);
    redis.disconnect();
  });

  it('closes a client that continues with 4429, and permits frames again after the time it named', async () => {
    const notifier = await harness.start({ WS_RATE_LIMIT_MAX: '5', WS_RATE_LIMIT_WINDOW_MS: '2000' });
    const account = newAccount();
    const client = await harness.connect(notifier, account);
    for (let i = 0; i < 100; i += 1) client.socket.send('junk');
    expect(await client.awaitClose()).toEqual({ code: 4429, reason: 'too many frames' });
    expect(client.errors().map(({ code }) => code)).toEqual([
      ...Array.from({ length: 5 }, () => 'INVALID_JSON'),
      ...Array.from({ length: 20 }, () => 'RATE_LIMITED'),
    ]);
    const metrics = await Exposition.scrape(notifier.adminPort);
    expect(metrics.sum('bulk_websocket_rate_limited_frames_total')).toBe(20);
    expect(metrics.sum('bulk_websocket_ended_total', { reason: 'rate_limited' })).toBe(1);
    await eventually('a frame that passes', async () => {
      const next = await harness.connect(notifier, account);
      const [event] = await sendFrames(next, 1);
      return event === 'unsubscribed';
    });
    await notifier.stop();
  });

  it('affects no client of another account while one floods', async () => {
    const notifier = await harness.start({ WS_RATE_LIMIT_MAX: '50' });
    const account = newAccount();
    const actionId = await harness.givenAction({ accountId: account });
    const calm = await harness.connect(notifier, account);
    await calm.subscribe(actionId);
    const flooding = await harness.connect(notifier, newAccount());
    for (let i = 0; i < 2_000; i += 1) flooding.send('subscribeAccount');
    for (let version = 2; version <= 20; version += 1)
      await harness.publish({ actionId, accountId: account, version });
    await calm.awaitVersion(actionId, 20);
    expect(await flooding.awaitClose()).toMatchObject({ code: 4429 });
    expect(calm.errors()).toEqual([]);
    expect(calm.closed).toBeUndefined();
    await notifier.stop();
  });

  it('counts each connection without an account separately', async () => {
    const notifier = await harness.start({ WS_RATE_LIMIT_UNNAMED_MAX: '3' });
    const [first, second] = [await harness.connect(notifier, null), await harness.connect(notifier, null)];
    expect(await sendFrames(first, 5)).toEqual(answers(3, 2));
    expect(await sendFrames(second, 3)).toEqual(answers(3));
    await notifier.stop();
  });

  it.each(AWAY)(
    'holds for each instance while Redis is unavailable (%s) and disconnects no client',
    async (how) => {
      const { link, env } = await linkTo('redis', harness.installation.env);
      harness.installation.onDispose(() => link.close());
      const notifier = await harness.start({ ...env, WS_RATE_LIMIT_MAX: '10' });
      const [calm, busy] = [newAccount(), newAccount()];
      const client = await harness.connect(notifier, calm);
      expect(await sendFrames(client, 2)).toEqual(answers(2));
      link[how]();
      const flooding = await harness.connect(notifier, busy);
      expect(await sendFrames(flooding, 12)).toEqual(answers(10, 2));
      expect(await sendFrames(client, 3)).toEqual(answers(3));
      expect([client.closed, flooding.closed]).toEqual([undefined, undefined]);
      link.restore();
      const witness = await harness.start({ WS_RATE_LIMIT_MAX: '10', WS_RATE_LIMIT_TIMEOUT_MS: '20000' });
      await eventually('the count over all instances', async () => {
        const account = newAccount();
        await sendFrames(await harness.connect(notifier, account), 10);
        const [event] = await sendFrames(await harness.connect(witness, account), 1);
        return event === 'error';
      });
      await Promise.all([notifier.stop(), witness.stop()]);
    },
  );
});

describe('the interval of snapshots', () => {
  let notifier: RunningNotifier;
  beforeAll(async () => {
    notifier = await harness.start({ SNAPSHOT_INTERVAL_MS: '3000' });
  });

  it('limits an account to one snapshot per interval, however many frames ask', async () => {
    const patient = await harness.start({ SNAPSHOT_INTERVAL_MS: '60000' });
    const account = newAccount();
    const actions = 200;
    for (let i = 0; i < actions; i += 1) await harness.givenAction({ accountId: account });
    const client = await harness.connect(patient, account);
    const frames = Math.ceil(36_000 / JSON.stringify({ event: 'subscribeAccount' }).length);
    for (let i = 0; i < frames; i += 1) client.send('subscribeAccount');
    await eventually('the answers', () => client.events().filter(isAnswer).length === frames);
    expect(client.updates()).toHaveLength(actions);
    // Each frame alone caused a whole snapshot of 80 KB.
    expect(client.bytes).toBeLessThan(250_000);
    await patient.stop();
  });

  it('merges early requests of an account into one snapshot after the interval', async () => {
    const account = newAccount();
    const actionId = await harness.givenAction({ accountId: account });
    const client = await harness.connect(notifier, account);
    for (let snapshots = 1; snapshots <= 3; snapshots += 1) {
      for (let i = 0; i < 20; i += 1) client.send('subscribeAccount');
      await eventually('the snapshot', () => client.updates().length >= snapshots);
      await eventually('the answers', () => client.events().filter(isAnswer).length === 20 * snapshots);
    }
    // If another snapshot had been waiting, there would be more versions.
    expect(client.versionsOf(actionId)).toEqual([1, 1, 1]);
    expect(client.errors()).toEqual([]);
  });

  it('merges early requests of an action into one latest snapshot after the interval', async () => {
    const actionId = await harness.givenAction();
    const client = await harness.connect(notifier);
    await client.subscribe(actionId);
    const shownAt = performance.now();
    for (let i = 0; i < 10; i += 1) client.send('subscribe', actionId);
    await client.settle();
    expect(client.events().filter((event) => event === 'subscribed')).toHaveLength(11);
    expect(client.versionsOf(actionId)).toEqual([1]);
    // A change without an event. Only another read of MongoDB shows it.
    await harness.database.actions.updateOne({ _id: actionId }, { $set: { version: 7 } });
    await client.awaitVersion(actionId, 7);
    expect(performance.now() - shownAt).toBeGreaterThan(2_500);
    expect(client.versionsOf(actionId)).toEqual([1, 7]);
  });

  it('applies across an unsubscribe, and drops the snapshot of what is no longer subscribed to', async () => {
    const account = newAccount();
    const [kept, left] = [
      await harness.givenAction({ accountId: account }),
      await harness.givenAction({ accountId: account }),
    ];
    const client = await harness.connect(notifier, account);
    await client.subscribe(left);
    await client.subscribe(kept);
    for (const actionId of [left, kept]) {
      client.send('unsubscribe', actionId);
      client.send('subscribe', actionId);
    }
    client.send('unsubscribe', left);
    // A held subscription shows nothing before its snapshot, and loses nothing.
    await client.settle();
    await harness.publish({ actionId: kept, accountId: account, version: 3 });
    await client.awaitVersion(kept, 3);
    expect(client.versionsOf(kept)).toEqual([1, 3]);
    expect(client.versionsOf(left)).toEqual([1]);
  });

  it('keeps ends in the account snapshot that happened after an early request', async () => {
    const account = newAccount();
    const ended = await harness.givenAction({ accountId: account });
    const before = await harness.givenAction({
      accountId: account,
      status: 'completed',
      finishedAt: new Date(Date.now() - 60_000),
    });
    const client = await harness.connect(notifier, account);
    const at = await client.subscribeAccount();
    client.send('unsubscribeAccount');
    // The action ends without an event.
    const next = await client.subscribeAccount();
    expect(next).toBe(at);
    const earlier = new Date(Date.now() - 120_000).toISOString();
    expect(await client.subscribeAccount(earlier)).toBe(earlier);
    await harness.database.actions.updateOne(
      { _id: ended },
      { $set: { status: 'completed', version: 5, finishedAt: new Date() } },
    );
    await client.awaitVersion(ended, 5);
    await client.awaitVersion(before, 1);
    expect(client.updates()).toEqual([`${ended} 1`, ...[`${ended} 5`, `${before} 1`].sort()]);
  });
});

describe('the limit of subscriptions', () => {
  it('covers all connections of an account, and a closed connection makes room', async () => {
    const notifier = await harness.start({ MAX_ACCOUNT_SUBSCRIPTIONS: '3' });
    const account = newAccount();
    const ids = await Promise.all([1, 2, 3, 4].map(() => harness.givenAction({ accountId: account })));
    const [one, two] = [await harness.connect(notifier, account), await harness.connect(notifier, account)];
    await one.subscribe(ids[0]!);
    await one.subscribe(ids[1]!);
    await two.subscribe(ids[2]!);
    two.send('subscribe', ids[3]);
    await two.settle();
    expect(two.errors()).toEqual([
      {
        code: 'TOO_MANY_ACCOUNT_SUBSCRIPTIONS',
        message: expect.any(String),
        details: { limit: 3, actionId: ids[3] },
      },
    ]);
    const other = newAccount();
    const stranger = await harness.connect(notifier, other);
    await stranger.subscribe(await harness.givenAction({ accountId: other }));
    one.socket.terminate();
    await eventually('room', async () => {
      const errors = two.errors().length;
      two.send('subscribe', ids[3]);
      await two.settle();
      return two.errors().length === errors;
    });
    await notifier.stop();
  });

  it('ends an account subscription with more actions than the account or the process has room for', async () => {
    for (const [env, code] of [
      [{ MAX_ACCOUNT_SUBSCRIPTIONS: '3' }, 'TOO_MANY_ACCOUNT_SUBSCRIPTIONS'],
      [{ MAX_TOTAL_SUBSCRIPTIONS: '3' }, 'SUBSCRIPTIONS_EXHAUSTED'],
    ] as const) {
      const notifier = await harness.start(env);
      const account = newAccount();
      for (let i = 0; i < 4; i += 1) await harness.givenAction({ accountId: account });
      const client = await harness.connect(notifier, account);
      client.send('subscribeAccount');
      const [error] = await eventually('the error', () => client.errors().length > 0 && client.errors());
      expect(error).toMatchObject({ code, details: { accountId: account } });
      const metrics = await Exposition.scrape(notifier.adminPort);
      expect(metrics.values('bulk_websocket_subscriptions')).toEqual([0, 0]);
      // The places have been given back.
      const other = newAccount();
      const single = await harness.connect(notifier, other);
      for (let i = 0; i < 3; i += 1) await single.subscribe(await harness.givenAction({ accountId: other }));
      await notifier.stop();
    }
  });
});
