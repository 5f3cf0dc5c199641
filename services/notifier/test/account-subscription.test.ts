import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { ActionProgress } from '@bulk/contracts';
import type { ActionDocument } from '@bulk/mongo';
import { eventually } from '@bulk/testing';
import { NotifierHarness, type RunningNotifier, type TestClient } from './harness.ts';
import { RawClient } from './raw-client.ts';

jest.setTimeout(60_000);

let harness: NotifierHarness;
let notifier: RunningNotifier;
/** One account per test, because a subscription shows all actions of an account. */
let accountId: string;
beforeAll(async () => {
  harness = await NotifierHarness.create();
  notifier = await harness.start({ MAX_ACCOUNT_ACTIONS: '5', MAX_BUFFERED_BYTES: '65536' });
});
beforeEach(() => {
  accountId = `account-${randomUUID()}`;
});
afterAll(() => harness.installation.dispose());

/** Builds an id. Smaller numbers give older ids. */
const id = (n: number): string => `${String(n).padStart(8, '0')}-${randomUUID().slice(9)}`;
const given = (state: Partial<ActionDocument> = {}): Promise<string> =>
  harness.givenAction({ accountId, ...state });
const publish = (...states: readonly (Partial<ActionProgress> & { partition?: number })[]): Promise<void> =>
  harness.publish(...states.map((state) => ({ accountId, ...state })));

/** Completes an action as stats-aggregator would: first in MongoDB, then by an event. */
async function complete(actionId: string, version: number): Promise<void> {
  await store(actionId, { version, status: 'completed', finishedAt: new Date() });
  await publish({ actionId, version, status: 'completed', finishedAt: Date.now() });
}

async function store(actionId: string, state: Partial<ActionDocument>): Promise<void> {
  await harness.database.actions.updateOne({ _id: actionId }, { $set: state });
}

const connect = (to: RunningNotifier = notifier): Promise<TestClient> => harness.connect(to, accountId);

/**
 * Waits until every earlier event has been processed: a single subscription receives a later one.
 */
async function settled(witnessed: RunningNotifier = notifier): Promise<void> {
  const actionId = await harness.givenAction({ accountId: 'witness' });
  const witness = await harness.connect(witnessed, 'witness');
  await witness.subscribe(actionId);
  for (const partition of [0, 1, 2]) {
    await harness.publish({ actionId, accountId: 'witness', version: partition + 2, partition });
    await witness.awaitVersion(actionId, partition + 2);
  }
  witness.socket.terminate();
}

describe('a subscription to the account', () => {
  it('shows every unfinished action, oldest first, and those that finished since', async () => {
    const [a, b, c, d, e] = [1, 2, 3, 4, 5].map(id) as [string, string, string, string, string];
    const since = Date.now() - 60_000;
    await given({ _id: d, status: 'queued', version: 4 });
    await given({ _id: a, status: 'paused', version: 1 });
    await given({ _id: c, status: 'completed', version: 3, finishedAt: new Date(since) });
    await given({ _id: b, status: 'cancelled', version: 2, finishedAt: new Date(since - 1) });
    await given({ _id: e, status: 'staging', version: 0 });

    const client = await connect();
    const before = Date.now();
    const at = await client.subscribeAccount();
    expect(Date.parse(at)).toBeGreaterThanOrEqual(before);
    expect(Date.parse(at)).toBeLessThanOrEqual(Date.now());
    await client.settle();
    expect(client.frames[0]).toEqual({ event: 'subscribedAccount', data: { accountId, at } });
    expect(client.updates()).toEqual([`${a} 1`, `${d} 4`]);

    const later = await connect();
    await later.subscribeAccount(new Date(since).toISOString());
    await later.settle();
    expect(later.updates()).toEqual([`${a} 1`, `${c} 3`, `${d} 4`]);
  });

  it('shows each later change, including new actions, and forgets ended actions', async () => {
    const first = await given();
    const client = await connect();
    await client.subscribeAccount();
    await publish({ actionId: first, version: 2 });
    await client.awaitVersion(first, 2);

    const second = await given({ status: 'pending', startedAt: null });
    await publish({ actionId: second, version: 1, status: 'pending' });
    await client.awaitVersion(second, 1);
    await complete(second, 5);
    await complete(first, 3);
    for (const [actionId, version] of [
      [second, 5],
      [first, 3],
    ] as const) {
      expect(await client.awaitVersion(actionId, version)).toMatchObject({ status: 'completed' });
    }
    // Late, repeated or foreign events bring nothing back.
    await publish(
      { actionId: first, version: 2, partition: 0 },
      { actionId: second, version: 4, partition: 1 },
      { actionId: first, version: 3, status: 'completed', finishedAt: Date.now(), partition: 2 },
    );
    await settled();
    expect(client.versionsOf(first)).toEqual([1, 2, 3]);
    expect(client.versionsOf(second)).toEqual([1, 5]);
    expect(client.errors()).toEqual([]);
  });

  it('shows the end of an action without an earlier event', async () => {
    const client = await connect();
    await client.subscribeAccount();
    const actionId = await given();
    await complete(actionId, 2);
    await client.awaitVersion(actionId, 2);
    expect(client.versionsOf(actionId)).toEqual([2]);
  });

  it("never shows another account's actions", async () => {
    const foreign = await harness.givenAction({ accountId: `${accountId}-x` });
    const own = await given();
    const client = await connect();
    await client.subscribeAccount(new Date(0).toISOString());
    const newer = await harness.givenAction({ accountId: `${accountId}-x` });
    // This holds whether the event names the right account or this one.
    await harness.publish(
      { actionId: foreign, accountId: `${accountId}-x`, version: 2 },
      { actionId: newer, accountId, version: 2 },
      { actionId: newer, accountId: `${accountId}-x`, version: 3, status: 'completed' },
    );
    await publish({ actionId: own, version: 2 });
    await client.awaitVersion(own, 2);
    await settled();
    expect(client.updates()).toEqual([`${own} 1`, `${own} 2`]);
  });

  it('sends a change once when the action is also subscribed to singly, whichever subscription ends first', async () => {
    const [a, b] = [await given({ _id: id(1) }), await given({ _id: id(2) })];
    const client = await connect();
    await client.subscribe(a);
    await client.subscribeAccount();
    await client.subscribe(b);
    const versionsAfter = async (version: number): Promise<void> => {
      for (const actionId of [a, b]) await publish({ actionId, version, partition: version % 3 });
      for (const actionId of [a, b]) await client.awaitVersion(actionId, version);
    };
    await versionsAfter(2);
    client.send('unsubscribe', a);
    await client.settle();
    await versionsAfter(3);
    // Each answer to a subscribe or subscribeAccount is a snapshot. After it there is one update
    // per change.
    expect(client.versionsOf(a)).toEqual([1, 1, 2, 3]);
    expect(client.versionsOf(b)).toEqual([1, 1, 2, 3]);

    client.send('unsubscribeAccount');
    await client.settle();
    expect(client.frames).toContainEqual({ event: 'unsubscribedAccount', data: { accountId } });
    await publish({ actionId: a, version: 4, partition: 0 }, { actionId: b, version: 4, partition: 0 });
    await client.awaitVersion(b, 4);
    expect(client.versionsOf(a)).toEqual([1, 1, 2, 3]);
  });

  it('sends a new action once when the action is also subscribed to singly', async () => {
    const client = await connect();
    await client.subscribeAccount();
    const actionId = await given();
    await client.subscribe(actionId);
    await publish({ actionId, version: 2 });
    await client.awaitVersion(actionId, 2);
    await store(actionId, { version: 2 });
    await publish({ actionId, version: 1 });
    await complete(actionId, 3);
    await client.awaitVersion(actionId, 3);
    await settled();
    expect(client.versionsOf(actionId)).toEqual([1, 2, 3]);
  });

  it('shows the current state when repeated, and may be ended twice', async () => {
    const running = await given();
    const done = await given({ status: 'failed', finishedAt: new Date() });
    const client = await connect();
    await client.subscribeAccount();
    await client.subscribeAccount(new Date(0).toISOString());
    await client.settle();
    expect(client.versionsOf(running)).toEqual([1, 1]);
    expect(client.versionsOf(done)).toEqual([1]);
    client.send('unsubscribeAccount');
    client.send('unsubscribeAccount');
    await client.settle();
    expect(client.frames.filter(({ event }) => event === 'unsubscribedAccount')).toHaveLength(2);
  });

  it('requires an account', async () => {
    const client = await harness.connect(notifier, null);
    client.send('subscribeAccount');
    await client.settle();
    expect(client.errors()).toMatchObject([{ code: 'ACCOUNT_REQUIRED' }]);
  });

  it('misses nothing over a reconnection that names its last time', async () => {
    const [ended, running] = [await given(), await given()];
    const client = await connect();
    const at = await client.subscribeAccount();
    client.socket.terminate();
    await complete(ended, 2);
    await store(running, { version: 3 });
    const created = await given({ status: 'completed', version: 7, finishedAt: new Date() });
    const again = await connect();
    await again.subscribeAccount(at);
    await again.settle();
    expect(again.updates().sort()).toEqual([`${ended} 2`, `${running} 3`, `${created} 7`].sort());
  });
});

describe('the limit of actions of an account', () => {
  const tooMany = () => ({
    code: 'TOO_MANY_ACTIONS',
    message: expect.stringContaining('single actions'),
    details: { limit: 5, accountId },
  });

  it('refuses an account with more actions', async () => {
    const ids = await Promise.all([1, 2, 3, 4, 5, 6].map(() => given()));
    const client = await connect();
    client.send('subscribeAccount');
    await client.settle();
    expect(client.frames.map(({ event }) => event)).toEqual(['error', 'unsubscribed']);
    expect(client.errors()).toEqual([tooMany()]);
    expect(await client.subscribe(ids[0]!)).toMatchObject({ version: 1 });
  });

  it('ends the subscription of an account that gains more actions, and ended actions make room', async () => {
    const ids = await Promise.all([1, 2, 3, 4, 5].map(() => given()));
    const client = await connect();
    await client.subscribeAccount();
    await client.subscribe(ids[0]!);
    await complete(ids[1]!, 2);
    await client.awaitVersion(ids[1]!, 2);
    const sixth = await given();
    await publish({ actionId: sixth, version: 1 });
    await client.awaitVersion(sixth, 1);
    expect(client.errors()).toEqual([]);

    const seventh = await given();
    await publish({ actionId: seventh, version: 1 });
    await eventually('the end', () => client.errors().length > 0);
    await publish(
      { actionId: ids[2]!, version: 2, partition: 0 },
      { actionId: ids[0]!, version: 2, partition: 0 },
    );
    await client.awaitVersion(ids[0]!, 2);
    expect(client.errors()).toEqual([tooMany()]);
    expect(client.versionsOf(ids[2]!)).toEqual([1]);
    expect(client.versionsOf(seventh)).toEqual([]);
  });
});

describe('a resync of the account', () => {
  it('shows changes, new actions and ends that had no event', async () => {
    const resyncing = await harness.start({ RESYNC_MS: '200' });
    const [changed, ended] = [await given(), await given()];
    const old = await given({ status: 'completed', finishedAt: new Date() });
    const clients = [await connect(resyncing), await connect(resyncing)];
    for (const client of clients) await client.subscribeAccount();
    await store(changed, { version: 2, status: 'paused' });
    await store(ended, { version: 2, status: 'cancelled', finishedAt: new Date(Date.now() - 3_600_000) });
    const created = await given({ status: 'pending' });
    const quick = await given({ status: 'completed', version: 9, finishedAt: new Date() });
    for (const client of clients) {
      await client.awaitVersion(changed, 2);
      await client.awaitVersion(ended, 2);
      await client.awaitVersion(created, 1);
      await client.awaitVersion(quick, 9);
    }
    await store(created, { version: 2 });
    for (const client of clients) {
      await client.awaitVersion(created, 2);
      expect(client.versionsOf(quick)).toEqual([9]);
      expect(client.versionsOf(ended)).toEqual([1, 2]);
      expect(client.versionsOf(old)).toEqual([]);
    }
    await resyncing.stop();
    expect(resyncing.failures).toEqual([]);
  });
});

describe('a slow client of an account', () => {
  it('receives the newest state of each action when it reads again, and nothing in between', async () => {
    const [a, b] = [await given(), await given()];
    const raw = await RawClient.connect(notifier.port, accountId);
    raw.send('subscribeAccount');
    await eventually('the snapshot', () => raw.texts.length === 3);
    raw.socket.pause();
    await eventually('back-pressure', () => raw.fillsUp(), { everyMs: 5 });
    const witness = await connect();
    await witness.subscribeAccount();
    for (let version = 2; version <= 60; version += 1) {
      await publish({ actionId: a, version }, { actionId: b, version });
    }
    await witness.awaitVersion(a, 60);
    await complete(b, 61);
    await witness.awaitVersion(b, 61);

    raw.socket.resume();
    const updates = await eventually('the newest states', () => {
      const texts = raw.texts.filter((text) => text.includes('actionUpdate'));
      return texts.some((text) => text.includes('"version":61')) ? texts : undefined;
    });
    expect(updates).toHaveLength(4);
    raw.socket.destroy();
  });
});
