import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import type { ActionUpdate } from '@bulk/contracts';
import { WebSocketServer, type WebSocket } from 'ws';
import { actionUpdate } from '../test/action-update.ts';
import { BulkClient, type BulkClientOptions } from './client.ts';

const A = '01920f5e-7b2a-7c3d-8e4f-5a6b7c8d9e0a';
const B = '01920f5e-7b2a-7c3d-8e4f-5a6b7c8d9e0b';

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

function update(version: number, status: ActionUpdate['status'] = 'processing', actionId = A): string {
  return JSON.stringify({ event: 'actionUpdate', data: actionUpdate({ actionId, status, version }) });
}

const subscribed = (actionId: string): string => JSON.stringify({ event: 'subscribed', data: actionId });
const refused = (code: string, details: object): string =>
  JSON.stringify({ event: 'error', data: { code, message: 'no', details } });

type Script = (socket: WebSocket, frame: { event: string; data: string }, connection: number) => void;

/** A notifier that answers by script, and a client of it; `frames` are the frames that it got. */
async function given(script: Script, options: Partial<BulkClientOptions> = {}) {
  const server = new WebSocketServer({ port: 0 });
  await new Promise<void>((resolve) => server.once('listening', resolve));
  const frames: string[] = [];
  const urls: string[] = [];
  server.on('connection', (socket, request) => {
    const connection = urls.push(request.url!);
    socket.on('message', (data) => {
      const frame = JSON.parse((data as Buffer).toString()) as { event: string; data: string };
      frames.push(`${connection} ${frame.event} ${frame.data === A ? 'A' : 'B'}`);
      script(socket, frame, connection);
    });
  });
  const client = new BulkClient({
    baseUrl: 'http://127.0.0.1:9',
    websocketUrl: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`,
    accountId: 'acme',
    reconnect: { initialDelayMs: 5, maxDelayMs: 20, maxAttempts: 5 },
    ...options,
  });
  cleanups.push(() => {
    client.close();
    for (const socket of server.clients) socket.terminate();
    server.close();
  });
  return { client, frames, urls, server };
}

describe('following an action', () => {
  it('names the account in the URL and drops outdated updates', async () => {
    const { client, urls } = await given((socket) => {
      for (const frame of [subscribed(A), update(2), update(1), update(2), update(4), update(3)])
        socket.send(frame);
      socket.send(update(5, 'completed'));
    });
    const versions: number[] = [];
    await client.waitForCompletion(A, { onProgress: ({ version }) => versions.push(version) });
    expect(versions).toEqual([2, 4, 5]);
    expect(urls).toEqual(['/?accountId=acme']);
  });

  it('renews all subscriptions after a loss and misses no end', async () => {
    const { client, frames } = await given((socket, { data }, connection) => {
      socket.send(subscribed(data));
      socket.send(update(connection, 'processing', data));
      if (connection < 3 && data === B) socket.terminate();
      if (connection === 3) socket.send(update(9, 'completed', data));
    });
    await Promise.all([client.waitForCompletion(A), client.waitForCompletion(B)]);
    expect(frames.filter((frame) => frame.includes(' subscribe '))).toEqual(
      [1, 2, 3].flatMap((connection) => [`${connection} subscribe A`, `${connection} subscribe B`]),
    );
  });

  it('uses one subscription for all followers of an action and closes after the last', async () => {
    const { client, frames, server } = await given((socket, { data, event }) => {
      if (event !== 'subscribe') return;
      socket.send(subscribed(data));
      socket.send(update(1, 'processing', data));
    });
    const seen: string[] = [];
    const first = await client.onProgress(A, ({ version }) => seen.push(`first ${version}`));
    await client.onProgress(B, () => undefined).then((stop) => stop());
    const second = await client.onProgress(A, ({ version }) => seen.push(`second ${version}`));
    expect(seen).toEqual(['first 1', 'second 1']);
    await first();
    await first();
    expect(server.clients.size).toBe(1);
    const closed = new Promise((resolve) => [...server.clients][0]!.once('close', resolve));
    await second();
    expect(await closed).toBe(1000);
    expect(frames).toEqual(['1 subscribe A', '1 subscribe B', '1 unsubscribe B']);
  });

  it('rejects on a permanent refusal and retries a temporary one', async () => {
    const { client, urls } = await given((socket, { data }, connection) => {
      if (data === B) socket.send(refused('ACTION_NOT_FOUND', { actionId: B }));
      else if (connection < 3) socket.send(refused('STORE_UNAVAILABLE', { actionId: A, retryable: true }));
      else socket.send(update(1, 'completed'));
    });
    await expect(client.onProgress(B, () => undefined)).rejects.toMatchObject({ code: 'ACTION_NOT_FOUND' });
    expect(await client.waitForCompletion(A)).toMatchObject({ version: 1 });
    expect(urls.length).toBeGreaterThanOrEqual(3);
  });

  it('waits as long as a refusal asks before it connects again', async () => {
    const connectedAt: number[] = [];
    const { client } = await given((socket, _frame, connection) => {
      connectedAt.push(performance.now());
      const details = { actionId: A, retryable: true, retryAfterMs: 300 };
      socket.send(connection === 1 ? refused('RATE_LIMITED', details) : update(1, 'completed'));
    });
    await client.waitForCompletion(A);
    expect(connectedAt[1]! - connectedAt[0]!).toBeGreaterThanOrEqual(295);
  });

  it('gives up when a temporary refusal persists', async () => {
    const { client, urls } = await given((socket, { data }) =>
      socket.send(refused('STORE_UNAVAILABLE', { actionId: data, retryable: true })),
    );
    await expect(client.waitForCompletion(A)).rejects.toMatchObject({
      code: 'CONNECTION_LOST',
      message: expect.stringContaining('STORE_UNAVAILABLE'),
    });
    expect(urls).toHaveLength(5);
  });

  it('rejects on an unknown or invalid frame', async () => {
    for (const frame of ['{', JSON.stringify({ event: 'dance' })]) {
      const { client } = await given((socket) => socket.send(frame));
      await expect(client.waitForCompletion(A)).rejects.toMatchObject({ code: 'INVALID_ANSWER' });
    }
  });

  it('detects a server that became silent', async () => {
    const { client, frames } = await given(
      (socket, { data }, connection) => {
        if (connection === 1 && frames.length > 1) return;
        socket.send(subscribed(data));
        socket.send(connection === 1 ? update(1) : update(2, 'completed'));
      },
      { keepAliveMs: 40 },
    );
    expect(await client.waitForCompletion(A)).toMatchObject({ version: 2 });
    // The request for a sign of life, then another connection.
    expect(frames).toEqual(['1 subscribe A', '1 subscribe A', '2 subscribe A']);
  });

  it('keeps a quiet connection that answers', async () => {
    let asked = 0;
    const { client, urls } = await given(
      (socket, { data }) => {
        asked += 1;
        socket.send(subscribed(data));
        socket.send(asked < 5 ? update(1) : update(2, 'completed'));
      },
      { keepAliveMs: 20 },
    );
    await client.waitForCompletion(A);
    expect(urls).toHaveLength(1);
  });

  it('rejects with the error of a listener, without affecting others', async () => {
    const { client } = await given((socket, { data }) => {
      socket.send(subscribed(data));
      socket.send(update(1));
      socket.send(update(2, 'completed'));
    });
    const versions: number[] = [];
    const fault = new Error('mine');
    const failing = client.waitForCompletion(A, {
      onProgress: () => {
        throw fault;
      },
    });
    const fine = client.waitForCompletion(A, { onProgress: ({ version }) => versions.push(version) });
    await expect(failing).rejects.toBe(fault);
    await fine;
    expect(versions).toEqual([1, 2]);
  });
});

describe('following the account', () => {
  const at = '2026-11-24T10:00:00.000Z';
  const acknowledged = JSON.stringify({ event: 'subscribedAccount', data: { accountId: 'acme', at } });

  it('continues after a loss from the last known time, and never shows an older version', async () => {
    const requests: unknown[] = [];
    const { client } = await given((socket, frame, connection) => {
      requests.push(frame);
      socket.send(acknowledged);
      if (connection === 1) {
        socket.send(update(3));
        setTimeout(() => socket.terminate(), 20);
      } else {
        for (const frame of [update(2), update(3), update(1, 'pending', B), update(4, 'completed')])
          socket.send(frame);
      }
    });
    const seen: string[] = [];
    await new Promise<void>((resolve, reject) => {
      client
        .onAccountProgress(({ actionId, version, status }) => {
          seen.push(`${actionId === A ? 'A' : 'B'} ${version}`);
          if (status === 'completed') resolve();
        }, reject)
        .catch(reject);
    });
    expect(seen).toEqual(['A 3', 'B 1', 'A 4']);
    expect(requests).toEqual([
      { event: 'subscribeAccount' },
      { event: 'subscribeAccount', data: { since: '2026-11-24T09:59:55.000Z' } },
    ]);
  });

  it('shares the connection with single actions, and ends separately', async () => {
    const { client, frames, server } = await given((socket, { event, data }) => {
      if (event === 'subscribeAccount') socket.send(acknowledged);
      else if (event === 'subscribe') socket.send(subscribed(data));
      if (event.startsWith('subscribe')) socket.send(update(1));
    });
    const seen: string[] = [];
    const stopSingle = await client.onProgress(A, ({ version }) => seen.push(`single ${version}`));
    const stop = await client.onAccountProgress(({ version }) => seen.push(`account ${version}`));
    for (const socket of server.clients) socket.send(update(2));
    while (seen.length < 4) await new Promise((resolve) => setTimeout(resolve, 5));
    await stop();
    await stop();
    expect(server.clients.size).toBe(1);
    const closed = new Promise((resolve) => [...server.clients][0]!.once('close', resolve));
    await stopSingle();
    await closed;
    expect(seen).toEqual(['single 1', 'account 1', 'account 2', 'single 2']);
    expect(frames.map((frame) => frame.split(' ')[1])).toEqual([
      'subscribe',
      'subscribeAccount',
      'unsubscribeAccount',
    ]);
  });

  it('rejects when there are too many actions, at once or later, while single actions continue', async () => {
    const tooMany = refused('TOO_MANY_ACTIONS', { limit: 5, accountId: 'acme' });
    let later: (() => void) | undefined;
    const { client } = await given((socket, { event, data }) => {
      if (event === 'subscribe') socket.send(subscribed(data));
      else if (later === undefined) socket.send(tooMany);
      else {
        socket.send(acknowledged);
        later = () => {
          socket.send(tooMany);
          socket.send(update(1, 'completed'));
        };
      }
    });
    const completed = client.waitForCompletion(A);
    await expect(client.onAccountProgress(() => undefined)).rejects.toMatchObject({
      code: 'TOO_MANY_ACTIONS',
    });
    later = () => undefined;
    const ended = new Promise((resolve) => {
      void client.onAccountProgress(() => undefined, resolve).then(() => later?.());
    });
    expect(await ended).toMatchObject({ code: 'TOO_MANY_ACTIONS', details: { limit: 5 } });
    expect(await completed).toMatchObject({ version: 1 });
  });

  it('keeps a quiet connection that answers', async () => {
    let asked = 0;
    const { client, urls } = await given(
      (socket, { event, data }) => {
        if (event === 'subscribeAccount') socket.send(acknowledged);
        else if (event === 'unsubscribe') {
          asked += 1;
          socket.send(asked < 4 ? JSON.stringify({ event: 'unsubscribed', data }) : update(1, 'completed'));
        }
      },
      { keepAliveMs: 20 },
    );
    await new Promise<void>((resolve, reject) => {
      client.onAccountProgress(() => resolve(), reject).catch(reject);
    });
    expect(urls).toHaveLength(1);
  });
});

describe('a token of the WebSocket client', () => {
  it('is requested at each connect and appears in no error', async () => {
    let asks = 0;
    const { client, urls } = await given((socket) => socket.terminate(), {
      token: () => {
        asks += 1;
        if (asks === 2) throw new Error('logged out');
        return `t&${asks}`;
      },
      reconnect: { initialDelayMs: 1, maxDelayMs: 2, maxAttempts: 3 },
    });
    const error = await client.waitForCompletion(A).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'CONNECTION_LOST', message: expect.not.stringContaining('t&') });
    expect(urls).toEqual(['/?accountId=acme&access_token=t%261', '/?accountId=acme&access_token=t%263']);
  });

  it('replaces the account, and one of both is required', () => {
    const make = (options: object) => () => new BulkClient({ baseUrl: 'http://host', ...options });
    expect(make({ token: 't' })).not.toThrow();
    expect(make({})).toThrow(/accountId: expected an account, or a token/);
    expect(make({ token: 'a b' })).toThrow(/token: expected/);
  });
});

describe('waiting for completion', () => {
  const silent: Script = (socket, { data }) => socket.send(subscribed(data));

  it('ends at its timeout', async () => {
    const { client } = await given(silent);
    await expect(client.waitForCompletion(A, { timeoutMs: 50 })).rejects.toMatchObject({
      code: 'COMPLETION_TIMEOUT',
    });
  });

  it('ends when it is aborted, before or during the wait', async () => {
    const { client } = await given(silent);
    const reason = new Error('enough');
    const abort = new AbortController();
    const waiting = client.waitForCompletion(A, { signal: abort.signal });
    abort.abort(reason);
    await expect(waiting).rejects.toMatchObject({ code: 'ABORTED', cause: reason });
    await expect(client.waitForCompletion(A, { signal: abort.signal })).rejects.toMatchObject({
      code: 'ABORTED',
    });
  });

  it('ends when the client is closed, and cannot start afterwards', async () => {
    const { client } = await given(silent);
    const waiting = client.waitForCompletion(A);
    client.close();
    await expect(waiting).rejects.toMatchObject({ code: 'CLIENT_CLOSED' });
    await expect(client.waitForCompletion(A)).rejects.toMatchObject({ code: 'CLIENT_CLOSED' });
  });

  it('refuses an invalid id', async () => {
    const { client } = await given(silent);
    await expect(client.waitForCompletion('x')).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      details: { argument: 'actionId' },
    });
  });
});
