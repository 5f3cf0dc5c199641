import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { eventually } from '@bulk/testing';
import { ACCOUNT, NotifierHarness, TestClient, type RunningNotifier } from './harness.ts';
import { ask, UPGRADE } from './http-client.ts';
import { RawClient } from './raw-client.ts';

jest.setTimeout(60_000);

let harness: NotifierHarness;
let notifier: RunningNotifier;
beforeAll(async () => {
  harness = await NotifierHarness.create();
  notifier = await harness.start({
    MAX_SUBSCRIPTIONS: '3',
    MAX_MESSAGE_BYTES: '512',
    MAX_BUFFERED_BYTES: '65536',
  });
});
afterAll(() => harness.installation.dispose());

describe('an upgrade request', () => {
  it.each([
    ['an invalid account', '/', { 'x-account-id': 'a:b' }],
    ['an invalid account in the query', '/?accountId=a%20b', {}],
    ['two accounts', '/?accountId=other', { 'x-account-id': ACCOUNT }],
  ])('with %s is refused with 400', async (_what, path, headers) => {
    const answer = await ask(notifier.port, path, { ...UPGRADE, ...headers });
    expect(answer).toMatchObject({ status: 400, error: { code: 'INVALID_ACCOUNT' } });
  });

  it('of another path is refused with 404', async () => {
    const answer = await ask(notifier.port, '/socket', UPGRADE);
    expect(answer).toMatchObject({ status: 404, error: { code: 'NOT_FOUND' } });
  });

  it('of a web page is refused with 403 unless its origin is the same host or listed', async () => {
    const listed = 'https://app.example.com';
    const server = await harness.start({
      WS_ALLOWED_ORIGINS: listed,
      INTAKE_PUBLIC_URL: 'https://bulk.example.com/api',
    });
    const connect = (origin: string): Promise<TestClient> =>
      TestClient.connect(server.url, { origin, headers: { 'x-account-id': ACCOUNT } });
    const answer = await ask(server.port, '/', { ...UPGRADE, Origin: 'https://evil.example' });
    expect(answer).toMatchObject({ status: 403, error: { code: 'ORIGIN_FORBIDDEN' } });
    for (const origin of [listed, 'https://bulk.example.com', 'http://127.0.0.1:3000']) {
      const client = await connect(origin);
      await client.settle();
      client.socket.terminate();
    }
    await server.stop();
  });

  it('beyond the allowed connections is refused with 503 until there is room', async () => {
    const small = await harness.start({ MAX_CONNECTIONS: '2' });
    const first = await harness.connect(small);
    await harness.connect(small);
    const answer = await ask(small.port, '/', UPGRADE);
    expect(answer).toMatchObject({ status: 503, error: { code: 'TOO_MANY_CONNECTIONS' } });
    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
    first.socket.close();
    await eventually('room', () => harness.connect(small));
    await small.stop();
  });
});

describe('an account with its maximum number of connections', () => {
  it('is refused another connection with 429, while other accounts are not', async () => {
    const small = await harness.start({ MAX_ACCOUNT_CONNECTIONS: '2' });
    const first = await harness.connect(small);
    await harness.connect(small);
    const answer = await ask(small.port, '/', { ...UPGRADE, 'x-account-id': ACCOUNT });
    expect(answer).toMatchObject({ status: 429, error: { code: 'TOO_MANY_ACCOUNT_CONNECTIONS' } });
    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
    await harness.connect(small, 'globex');
    first.socket.close();
    await eventually('room', () => harness.connect(small));
    await small.stop();
  });
});

describe('a connection without an account', () => {
  it('is closed when it does not subscribe in time, while one with an account stays', async () => {
    const strict = await harness.start({ SUBSCRIBE_TIMEOUT_MS: '300' });
    const named = await harness.connect(strict);
    const silent = await harness.connect(strict, null);
    expect(await silent.awaitClose()).toEqual({ code: 4408, reason: 'no account and no subscription' });
    await named.settle();
    expect(named.closed).toBeUndefined();
    await strict.stop();
  });
});

describe('a plain request', () => {
  it('is answered with 426 and a hint how to connect', async () => {
    const answer = await ask(notifier.port, '/', {});
    expect(answer).toMatchObject({ status: 426, error: { code: 'UPGRADE_REQUIRED' } });
    expect(answer.headers.upgrade).toBe('websocket');
    expect(answer.error.message).toMatch(/ws:\/\/.*x-account-id.*subscribe/s);
  });
});

describe('a connection', () => {
  it('has a maximum number of subscriptions, and an unsubscribe makes room', async () => {
    const ids = await Promise.all([1, 2, 3, 4].map(() => harness.givenAction()));
    const client = await harness.connect(notifier);
    for (const id of ids.slice(0, 3)) await client.subscribe(id);
    client.send('subscribe', ids[3]);
    await client.settle();
    expect(client.errors()).toEqual([
      {
        code: 'TOO_MANY_SUBSCRIPTIONS',
        message: expect.any(String),
        details: { limit: 3, actionId: ids[3] },
      },
    ]);
    await client.subscribe(ids[0]!); // the client already follows this action
    client.send('unsubscribe', ids[0]);
    await client.subscribe(ids[3]!);
  });

  it('is closed when a frame is too large', async () => {
    const client = await harness.connect(notifier);
    client.socket.send('x'.repeat(513));
    expect(await client.awaitClose()).toMatchObject({ code: 1009 });
  });

  it('receives an answer to each of many requests, in order', async () => {
    const patient = await harness.start({ SNAPSHOT_INTERVAL_MS: '60000' });
    const actionId = await harness.givenAction();
    const client = await harness.connect(patient);
    for (let i = 0; i < 500; i += 1) client.send(i % 2 === 0 ? 'subscribe' : 'unsubscribe', actionId);
    await eventually('every answer', () => client.frames.length === 501);
    const answers = client.events().filter((event) => event !== 'actionUpdate');
    expect(answers).toHaveLength(500);
    expect(answers).toEqual(answers.map((_, i) => (i % 2 === 0 ? 'subscribed' : 'unsubscribed')));
    await patient.stop();
  });
});

describe('a client', () => {
  it('is dropped when it disappears silently, while one that answers stays', async () => {
    const beating = await harness.start({ HEARTBEAT_MS: '100' });
    const silent = await RawClient.connect(beating.port, ACCOUNT);
    const healthy = await harness.connect(beating);
    let pings = 0;
    healthy.socket.on('ping', () => (pings += 1));
    await eventually('the drop', () => silent.closed);
    await eventually('more pings', () => pings >= 5);
    expect(healthy.closed).toBeUndefined();
    await beating.stop();
  });

  it.each([
    ['its own', { MAX_BUFFERED_BYTES: '65536' }],
    ["all connections'", { MAX_BUFFERED_BYTES: '67108864', MAX_TOTAL_BUFFERED_BYTES: '65536' }],
  ])(
    'costs a bounded buffer (%s) when it does not read, and receives the newest state when it reads again',
    async (_whose, env) => {
      const notifier = await harness.start(env);
      const actionId = await harness.givenAction();
      const raw = await RawClient.connect(notifier.port, ACCOUNT);
      raw.send('subscribe', actionId);
      await eventually('the snapshot', () => raw.texts.length === 2);
      raw.socket.pause();
      // Fill every buffer in both directions, until the notifier stops reading.
      await eventually('back-pressure', () => raw.fillsUp(), { everyMs: 5 });

      const witness = await harness.connect(notifier);
      await witness.subscribe(actionId);
      for (let version = 2; version <= 100; version += 1) await harness.publish({ actionId, version });
      await witness.awaitVersion(actionId, 100);
      expect(witness.versionsOf(actionId).length).toBeGreaterThan(3);
      expect(raw.socket.writableLength).toBeGreaterThan(0);

      raw.socket.resume();
      const updates = await eventually('the newest state', () => {
        const texts = raw.texts.filter((text) => text.includes('actionUpdate'));
        return texts.at(-1)!.includes('"version":100') ? texts : undefined;
      });
      // The snapshot and the newest state. Nothing was queued in between.
      expect(updates).toHaveLength(2);
      await eventually('that it reads again', () => raw.socket.writableLength === 0);
      raw.socket.destroy();
      await notifier.stop();
    },
  );
});
