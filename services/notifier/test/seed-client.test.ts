import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { connect, type ConnectOptions, type ProgressSocket } from '@bulk/client';
import { delay } from '@bulk/runtime';
import { eventually } from '@bulk/testing';
import { WebSocket } from 'ws';
import { ACCOUNT, NotifierHarness, type RunningNotifier } from './harness.ts';
import { ask, UPGRADE } from './http-client.ts';

jest.setTimeout(60_000);

let harness: NotifierHarness;
let notifier: RunningNotifier;
beforeAll(async () => {
  harness = await NotifierHarness.create();
  notifier = await harness.start({ SUBSCRIBE_TIMEOUT_MS: '500', MAX_UNNAMED_CONNECTIONS: '3' });
});
afterAll(() => harness.installation.dispose());

function open(url: string, options: ConnectOptions = {}): ProgressSocket {
  const reconnect = { initialDelayMs: 50, maxDelayMs: 200, maxAttempts: 100 };
  const socket = connect(url, { reconnect, ...options });
  harness.installation.onDispose(() => {
    socket.close();
    return Promise.resolve();
  });
  return socket;
}

/** Moves the action forward as stats-aggregator would. */
async function progress(actionId: string, version: number, success: number): Promise<void> {
  const finished = success === 1_000;
  const status = finished ? 'completed' : 'processing';
  const finishedAt = finished ? new Date() : null;
  await harness.database.actions.updateOne(
    { _id: actionId },
    { $set: { version, status, finishedAt, 'counts.success': success } },
  );
  await harness.publish({ actionId, version, status, success, finishedAt: finishedAt?.getTime() ?? null });
}

describe("the three client calls of the project's first description", () => {
  it('show an action with rising percent up to its end without naming an account', async () => {
    const actionId = await harness.givenAction({ status: 'queued', startedAt: null });
    const socket = open(notifier.url);
    const lines: [status: string, percent: number][] = [];
    const console = { log: (status: string, percent: number) => lines.push([status, percent]) };

    socket.on('actionUpdate', (update) => console.log(update.status, update.percent));
    socket.emit('subscribe', actionId);

    await eventually('the snapshot', () => lines.length === 1);
    for (const [i, success] of [250, 500, 1_000].entries()) {
      await progress(actionId, i + 2, success);
      await eventually('the change', () => lines.length === i + 2);
    }
    expect(lines).toEqual([
      ['queued', 0],
      ['processing', 25],
      ['processing', 50],
      ['completed', 100],
    ]);
    socket.emit('unsubscribe', actionId);
    socket.close();
  });

  it('show the counts but not the account of the action', async () => {
    const actionId = await harness.givenAction();
    const client = await harness.connect(notifier, null);
    const update = await client.subscribe(actionId);
    expect(update).toMatchObject({ actionId, status: 'processing', total: 1_000, percent: 0 });
    expect(JSON.stringify(client.frames)).not.toContain(ACCOUNT);
    client.send('subscribe', randomUUID());
    await client.settle();
    expect(client.errors()).toMatchObject([{ code: 'ACTION_NOT_FOUND' }]);
    client.socket.terminate();
  });

  it('show nothing after unsubscribe, and nothing to a removed listener', async () => {
    const [left, kept] = [await harness.givenAction(), await harness.givenAction()];
    const socket = open(notifier.url);
    const seen: string[] = [];
    const muted = (): number => seen.push('muted');
    socket.on('actionUpdate', muted).off('actionUpdate', muted);
    socket.on('actionUpdate', ({ actionId, version }) => seen.push(`${actionId} ${version}`));
    socket.emit('subscribe', left).emit('subscribe', kept).emit('subscribe', kept);
    await eventually('the snapshots', () => seen.length === 2);
    socket.emit('unsubscribe', left);
    await harness.publish(
      { actionId: left, version: 2, partition: 0 },
      { actionId: kept, version: 2, partition: 0 },
    );
    await eventually('the change', () => seen.length === 3);
    expect(seen.sort()).toEqual([`${left} 1`, `${kept} 1`, `${kept} 2`].sort());
    socket.close();
    expect(() => socket.emit('subscribe', kept)).toThrow(expect.objectContaining({ code: 'CLIENT_CLOSED' }));
  });

  it('fail in jwt mode without a token, with an error that says so', async () => {
    const jwt = await harness.start({
      AUTH_MODE: 'jwt',
      JWT_SECRET: 'a secret of the tests that is long enough',
    });
    const actionId = await harness.givenAction();
    const socket = open(jwt.url, { reconnect: { initialDelayMs: 1, maxDelayMs: 5, maxAttempts: 2 } });
    const errors: unknown[] = [];
    let updates = 0;
    socket.on('actionUpdate', () => (updates += 1));
    socket.on('error', (error, id) => errors.push([error, id]));
    socket.emit('subscribe', actionId);
    await eventually('the error', () => errors.length > 0);
    expect(errors).toEqual([
      [
        expect.objectContaining({ code: 'CONNECTION_LOST', message: expect.stringContaining('401') }),
        actionId,
      ],
    ]);
    expect(updates).toBe(0);
    expect(await ask(jwt.port, '/', UPGRADE)).toMatchObject({
      status: 401,
      error: { code: 'UNAUTHENTICATED', message: expect.stringMatching(/expected a token/) },
    });
    await jwt.stop();
  });
});

describe('connections without an account', () => {
  it('are closed when they have followed nothing for a while, and no sooner', async () => {
    const actionId = await harness.givenAction();
    const client = await harness.connect(notifier, null);
    await client.subscribe(actionId);
    const pings = await harness.connect(notifier, null);
    expect(await pings.awaitClose()).toMatchObject({ code: 4408 });
    expect(client.closed).toBeUndefined();
    client.send('unsubscribe', actionId);
    expect(await client.awaitClose()).toMatchObject({ code: 4408 });
  });

  it('are bounded together and leave room for connections with an account', async () => {
    const actionId = await harness.givenAction();
    const clients = [1, 2, 3].map(() => harness.connect(notifier, null));
    for (const client of await Promise.all(clients)) client.send('subscribe', actionId);
    expect(await ask(notifier.port, '/', UPGRADE)).toMatchObject({
      status: 429,
      error: { code: 'TOO_MANY_ACCOUNT_CONNECTIONS' },
    });
    await (await harness.connect(notifier)).subscribe(actionId);
  });
});

describe('a client whose subscription exceeds the limit', () => {
  it('waits before it connects again', async () => {
    const full = await harness.start({ MAX_TOTAL_SUBSCRIPTIONS: '2' });
    let connections = 0;
    class Counted extends WebSocket {
      constructor(url: string) {
        super(url);
        connections += 1;
      }
    }
    const socket = open(full.url, { WebSocket: Counted });
    for (let i = 0; i < 3; i += 1) socket.emit('subscribe', await harness.givenAction());
    await delay(1_500);
    expect(connections).toBe(1);
    socket.close();
    await full.stop();
  });
});
