import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { eventually } from '@bulk/testing';
import { ACCOUNT, NotifierHarness, type RunningNotifier } from './harness.ts';

jest.setTimeout(60_000);

let harness: NotifierHarness;
let notifier: RunningNotifier;
beforeAll(async () => {
  harness = await NotifierHarness.create();
  notifier = await harness.start();
});
afterAll(() => harness.installation.dispose());

describe('a subscription', () => {
  it('is acknowledged and receives the snapshot, each change and the final state', async () => {
    const actionId = await harness.givenAction({
      version: 3,
      counts: { success: 100, failure: 20, skipped: 5 },
    });
    const client = await harness.connect(notifier);
    await client.subscribe(actionId);
    expect(client.frames.map(({ event }) => event)).toEqual(['subscribed', 'actionUpdate']);
    expect(client.updatesOf(actionId)[0]).toMatchObject({
      actionId,
      accountId: ACCOUNT,
      version: 3,
      status: 'processing',
      total: 1_000,
      processed: 125,
      success: 100,
      failure: 20,
      skipped: 5,
      percent: 12.5,
    });
    await harness.publish({ actionId, version: 4, success: 500 });
    expect(await client.awaitVersion(actionId, 4)).toMatchObject({ success: 500, percent: 50 });
    const finishedAt = Date.now();
    await harness.publish({
      actionId,
      version: 5,
      status: 'completed',
      success: 1_000,
      startedAt: finishedAt - 10_000,
      finishedAt,
    });
    expect(await client.awaitVersion(actionId, 5)).toMatchObject({
      status: 'completed',
      percent: 100,
      rate: 100,
      eta: null,
      finishedAt: new Date(finishedAt).toISOString(),
    });
  });

  it('never goes back and ends on the newest state, whatever the order and the partition', async () => {
    const actionId = await harness.givenAction();
    const client = await harness.connect(notifier);
    await client.subscribe(actionId);
    const versions = Array.from({ length: 300 }, (_, i) => i + 2);
    // A fixed shuffle: 7 is coprime to 300.
    const shuffled = versions.map((_, i) => versions[(i * 7) % 300]!);
    for (let from = 0; from < 300; from += 20) {
      await harness.publish(
        ...shuffled.slice(from, from + 20).map((version) => ({ actionId, version, partition: version % 3 })),
      );
    }
    await client.awaitVersion(actionId, 301);
    const seen = client.versionsOf(actionId);
    expect(seen.length).toBeGreaterThan(2);
    expect(seen).toEqual([...new Set(seen)].sort((a, b) => a - b));
    expect(seen.at(-1)).toBe(301);
  });

  it('shows no event that is older than the snapshot', async () => {
    const actionId = await harness.givenAction({ version: 10 });
    const client = await harness.connect(notifier);
    await client.subscribe(actionId);
    await harness.publish({ actionId, version: 9 }, { actionId, version: 10 }, { actionId, version: 11 });
    await client.awaitVersion(actionId, 11);
    expect(client.versionsOf(actionId)).toEqual([10, 11]);
  });

  it('answers with the current state when repeated', async () => {
    const actionId = await harness.givenAction({ version: 2 });
    const client = await harness.connect(notifier);
    await client.subscribe(actionId);
    await client.subscribe(actionId);
    expect(client.frames.map(({ event }) => event)).toEqual([
      'subscribed',
      'actionUpdate',
      'subscribed',
      'actionUpdate',
    ]);
    await harness.publish({ actionId, version: 3, status: 'completed' });
    await client.awaitVersion(actionId, 3);
    await client.settle();
    expect(client.versionsOf(actionId)).toEqual([2, 2, 3]);
  });

  it('ends with unsubscribe, which may be repeated', async () => {
    const actionId = await harness.givenAction();
    const other = await harness.givenAction();
    const client = await harness.connect(notifier);
    await client.subscribe(actionId);
    await client.subscribe(other);
    client.send('unsubscribe', actionId);
    client.send('unsubscribe', actionId);
    await client.settle();
    expect(
      client.frames.filter((frame) => frame.event === 'unsubscribed' && frame.data === actionId),
    ).toHaveLength(2);
    await harness.publish(
      { actionId, version: 2, partition: 0 },
      { actionId: other, version: 2, partition: 0 },
    );
    await client.awaitVersion(other, 2);
    expect(client.versionsOf(actionId)).toEqual([1]);
  });

  it('shows a change without an event within the time of a resync', async () => {
    const resyncing = await harness.start({ RESYNC_MS: '200' });
    const actionId = await harness.givenAction({ status: 'pending', startedAt: null });
    const client = await harness.connect(resyncing);
    expect(await client.subscribe(actionId)).toMatchObject({ status: 'pending', rate: null });
    await harness.database.actions.updateOne({ _id: actionId }, { $set: { status: 'queued', version: 2 } });
    expect(await client.awaitVersion(actionId, 2)).toMatchObject({ status: 'queued' });
    await resyncing.stop();
  });
});

describe('the update rate', () => {
  it('is bounded in a burst, which ends on the newest state', async () => {
    const slow = await harness.start({ PROGRESS_HZ: '5' });
    const actionId = await harness.givenAction();
    const client = await harness.connect(slow);
    await client.subscribe(actionId);
    const begin = Date.now();
    for (let from = 0; from < 500; from += 50) {
      await harness.publish(
        ...Array.from({ length: 50 }, (_, i) => ({ actionId, version: from + i + 2, success: from + i + 1 })),
      );
    }
    await client.awaitVersion(actionId, 501);
    // The snapshot, one update per 200 ms, and the one under way.
    expect(client.versionsOf(actionId).length).toBeLessThanOrEqual((Date.now() - begin) / 200 + 2);
    expect(client.updatesOf(actionId).at(-1)).toMatchObject({ version: 501, success: 500 });
    await slow.stop();
  });

  it('does not delay a final state', async () => {
    const slow = await harness.start({ PROGRESS_HZ: '0.2' });
    const actionId = await harness.givenAction();
    const client = await harness.connect(slow);
    await client.subscribe(actionId);
    await harness.publish({ actionId, version: 2 }, { actionId, version: 3, status: 'failed' });
    const begin = Date.now();
    await client.awaitVersion(actionId, 3);
    expect(Date.now() - begin).toBeLessThan(3_000); // the interval is 5,000
    expect(client.versionsOf(actionId)).toEqual([1, 3]);
    await slow.stop();
  });
});

describe('an account of the WebSocket', () => {
  it('sees no action of another account, not even whether it exists', async () => {
    const actionId = await harness.givenAction();
    const stranger = await harness.connect(notifier, 'other');
    const unknown = randomUUID();
    stranger.send('subscribe', actionId);
    stranger.send('subscribe', unknown);
    await stranger.settle();
    const [foreign, missing] = stranger.errors();
    expect(foreign).toEqual({
      code: 'ACTION_NOT_FOUND',
      message: expect.stringContaining(actionId),
      details: { actionId },
    });
    expect(missing?.message).toBe(foreign?.message.replace(actionId, unknown));

    const owner = await harness.connect(notifier);
    await owner.subscribe(actionId);
    await harness.publish(
      { actionId, version: 2, accountId: 'other', partition: 0 },
      { actionId, version: 3, partition: 0 },
    );
    await owner.awaitVersion(actionId, 3);
    expect(owner.versionsOf(actionId)).toEqual([1, 3]);
    await stranger.settle();
    expect(stranger.updatesOf(actionId)).toEqual([]);
  });

  it('sees no action before it is accepted', async () => {
    const actionId = await harness.givenAction({ status: 'staging' });
    const client = await harness.connect(notifier);
    client.send('subscribe', actionId);
    await client.settle();
    expect(client.errors()).toMatchObject([{ code: 'ACTION_NOT_FOUND' }]);
  });

  it('may be named by the query', async () => {
    const actionId = await harness.givenAction();
    const client = await harness.connect({ url: `${notifier.url}?accountId=${ACCOUNT}` }, null);
    expect(await client.subscribe(actionId)).toMatchObject({ accountId: ACCOUNT });
  });

  it('is required by subscribeAccount, with a hint how to name it', async () => {
    const client = await harness.connect(notifier, null);
    client.send('subscribeAccount');
    await client.settle();
    expect(client.errors()).toEqual([
      {
        code: 'ACCOUNT_REQUIRED',
        message: expect.stringMatching(/x-account-id.*accountId/),
      },
    ]);
  });
});

describe('a bad frame', () => {
  const id = randomUUID();
  it.each<[string, string | Buffer, string, string]>([
    ['not JSON', '{"event":', 'INVALID_JSON', '(frame)'],
    ['an array', '[1]', 'INVALID_FRAME', '(frame)'],
    ['an unknown event', JSON.stringify({ event: 'dance', data: id }), 'INVALID_FRAME', 'event'],
    ['a bad id', JSON.stringify({ event: 'subscribe', data: 'abc' }), 'INVALID_FRAME', 'data'],
    ['no id', JSON.stringify({ event: 'unsubscribe' }), 'INVALID_FRAME', 'data'],
    ['an object as id', JSON.stringify({ event: 'subscribe', data: { $gt: '' } }), 'INVALID_FRAME', 'data'],
    ['binary', Buffer.from(JSON.stringify({ event: 'subscribe', data: id })), 'INVALID_FRAME', '(frame)'],
  ])('is answered with an error, and the connection stays open: %s', async (_what, frame, code, field) => {
    const actionId = await harness.givenAction();
    const client = await harness.connect(notifier);
    client.socket.send(frame);
    const [error] = await eventually('the error', () =>
      client.errors().length > 0 ? client.errors() : false,
    );
    expect(error).toMatchObject({ code, details: { issues: [{ field }] } });
    expect(await client.subscribe(actionId)).toMatchObject({ version: 1 });
  });
});
