import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { accountWebhookSecret } from '@bulk/webhooks';
import { eventually } from '@bulk/testing';
import { Webhook } from 'standardwebhooks';
import { NO_ANSWER } from '../src/webhooks/webhook-sender.ts';
import { ACCOUNT, type RunningNotifier } from './harness.ts';
import { status, type ReceivedWebhook } from './receiver.ts';
import { MASTER_SECRET, WebhookHarness } from './webhook-harness.ts';

let harness: WebhookHarness;
const running: RunningNotifier[] = [];

beforeAll(async () => {
  harness = await WebhookHarness.create();
});
afterEach(async () => {
  for (const notifier of running.splice(0)) {
    await notifier.stop();
    expect(notifier.failures).toEqual([]);
  }
});
afterAll(() => harness.notifiers.installation.dispose());

async function start(env: Readonly<Record<string, string>> = {}): Promise<RunningNotifier> {
  const notifier = await harness.start(env);
  running.push(notifier);
  return notifier;
}

/**
 * Verifies a webhook with the library of the specification, as a receiver would.
 *
 * @throws if the signature is wrong.
 */
function verified({ body, headers }: ReceivedWebhook, account = ACCOUNT, master = MASTER_SECRET): unknown {
  return new Webhook(accountWebhookSecret(master, account)).verify(body, headers);
}

const POLLING = { WEBHOOK_POLL_MS: '100' };

describe('a webhook', () => {
  it('describes how an action ended, signed with the secret of its account', async () => {
    const receiver = await harness.receiver();
    const actionId = await harness.givenAction(receiver.url);
    await start();
    const callback = await harness.awaitState(actionId, 'delivered');

    const [webhook] = receiver.received;
    expect(receiver.received).toHaveLength(1);
    expect(webhook).toMatchObject({
      method: 'POST',
      url: '/hook?token=t',
      headers: {
        'webhook-id': `msg_${actionId}`,
        'content-type': 'application/json; charset=utf-8',
        'user-agent': 'bulk-action-platform-webhooks/1',
      },
    });
    const { finishedAt } = (await harness.notifiers.database.actions.findOne({ _id: actionId }))!;
    expect(verified(webhook!)).toMatchObject({
      type: 'action.completed',
      timestamp: finishedAt!.toISOString(),
      data: {
        actionId,
        accountId: ACCOUNT,
        status: 'completed',
        total: 10,
        success: 7,
        failure: 2,
        skipped: 1,
      },
    });
    expect(() => verified(webhook!, 'other')).toThrow('No matching signature found');
    expect(callback).toMatchObject({ attempts: 1, owner: null, lastError: null });
    expect(callback).not.toHaveProperty('dueAt');
  });

  it('is sent at the event of the end of its action, and not before', async () => {
    const receiver = await harness.receiver();
    const actionId = await harness.givenAction(
      receiver.url,
      { dueAt: new Date(0) },
      { status: 'processing', finishedAt: null },
    );
    const ended = await harness.givenAction(receiver.url);
    await start();
    // By now the worker has looked, and found only the other webhook, although that one was due
    // later.
    await harness.awaitState(ended, 'delivered');
    expect(await harness.callback(actionId)).toMatchObject({ state: 'waiting', attempts: 0 });

    const { database } = harness.notifiers;
    const end = { status: 'cancelled', finishedAt: new Date() } as const;
    await database.actions.updateOne({ _id: actionId }, { $set: end });
    await harness.notifiers.publish({ actionId, status: 'cancelled', version: 3 });
    await harness.awaitState(actionId, 'delivered');
    expect(verified(receiver.received[1]!)).toMatchObject({ type: 'action.cancelled', data: { actionId } });
  });

  it('is delivered once when several instances run', async () => {
    const receiver = await harness.receiver();
    const urls = Array.from({ length: 20 }, () => receiver.url);
    const actionIds = await Promise.all(urls.map((url) => harness.givenAction(url)));
    await Promise.all([start(POLLING), start(POLLING)]);
    for (const actionId of actionIds) {
      expect(await harness.awaitState(actionId, 'delivered')).toMatchObject({ attempts: 1 });
    }
    const ids = receiver.received.map(({ headers }) => headers['webhook-id']);
    expect(ids.sort()).toEqual(actionIds.map((actionId) => `msg_${actionId}`).sort());
  });

  it('is accepted by receivers of the old and of the new secret during a rotation', async () => {
    const receiver = await harness.receiver();
    const actionId = await harness.givenAction(receiver.url);
    const next = 'the next secret of this installation';
    await start({ WEBHOOK_SECRET: next, WEBHOOK_SECRET_PREVIOUS: MASTER_SECRET });
    await harness.awaitState(actionId, 'delivered');
    const [webhook] = receiver.received;
    for (const known of [MASTER_SECRET, next])
      expect(verified(webhook!, ACCOUNT, known)).toMatchObject({ data: { actionId } });
    expect(() => verified(webhook!, ACCOUNT, 'a secret that was never one of these')).toThrow(
      'No matching signature found',
    );
  });

  it('is not delivered when no secret is configured', async () => {
    const receiver = await harness.receiver();
    const actionId = await harness.givenAction(receiver.url);
    const silent = await start({ WEBHOOK_SECRET: '', ...POLLING });
    const client = await harness.notifiers.connect(silent);
    await client.subscribe(actionId);
    await harness.notifiers.publish({ actionId, status: 'completed', version: 2 });
    await client.awaitVersion(actionId, 2);
    await silent.stop();
    expect(await harness.callback(actionId)).toMatchObject({ state: 'waiting', attempts: 0 });
    expect(receiver.connections).toBe(0);
    await harness.notifiers.database.actions.deleteOne({ _id: actionId });
  });
});

describe('a webhook whose receiver fails', () => {
  it('is retried with the same id and body until the receiver answers', async () => {
    const down = await harness.receiver();
    const { port, url } = down;
    await down.stop();
    const actionId = await harness.givenAction(url);
    await start({ ...POLLING, WEBHOOK_MAX_ATTEMPTS: '100' });
    await eventually('two tries', async () => (await harness.callback(actionId)).attempts >= 2);
    const { lastError } = await eventually('a try that failed', async () => {
      const callback = await harness.callback(actionId);
      return callback.lastError === null ? undefined : callback;
    });
    expect(lastError).toBe(NO_ANSWER);
    const up = await harness.receiver(status(200), port);
    expect(await harness.awaitState(actionId, 'delivered')).toMatchObject({ lastError: null });
    expect(up.received.map(({ headers }) => headers['webhook-id'])).toEqual([`msg_${actionId}`]);
  });

  it('is retried after a 500 with the same content', async () => {
    const receiver = await harness.receiver((response, count) =>
      status(count < 3 ? 500 : 200)(response, count),
    );
    const actionId = await harness.givenAction(receiver.url);
    await start(POLLING);
    expect(await harness.awaitState(actionId, 'delivered')).toMatchObject({ attempts: 3, lastError: null });
    expect(receiver.received).toHaveLength(3);
    for (const webhook of receiver.received) verified(webhook);
    const same = receiver.received.map(({ body, headers }) => `${headers['webhook-id']} ${body}`);
    expect(new Set(same).size).toBe(1);
  });

  it('is given up after the last try, with an error that omits the body of the answer', async () => {
    const receiver = await harness.receiver((response) => response.writeHead(500).end('a secret of theirs'));
    const actionId = await harness.givenAction(receiver.url);
    await start({ ...POLLING, WEBHOOK_MAX_ATTEMPTS: '2' });
    const callback = await harness.awaitState(actionId, 'given-up');
    expect(callback).toMatchObject({ attempts: 2, lastError: 'HTTP 500', owner: null });
    expect(callback).not.toHaveProperty('dueAt');
    expect(receiver.received).toHaveLength(2);
  });

  it('waits as long as the receiver asks', async () => {
    const receiver = await harness.receiver(status(503, { 'retry-after': '600' }));
    const actionId = await harness.givenAction(receiver.url);
    const before = Date.now();
    await start({ WEBHOOK_MAX_DELAY_MS: '3600000' });
    const callback = await eventually('the next try is planned', async () => {
      const found = await harness.callback(actionId);
      return found.state === 'waiting' && found.attempts === 1 ? found : undefined;
    });
    expect(callback.lastError).toBe('HTTP 503');
    expect(callback.dueAt!.getTime() - before).toBeGreaterThanOrEqual(600_000);
    expect(callback.dueAt!.getTime() - Date.now()).toBeLessThanOrEqual(600_000);
  });

  it('is given up at once when the receiver answers 410', async () => {
    const receiver = await harness.receiver(status(410));
    const actionId = await harness.givenAction(receiver.url);
    await start(POLLING);
    expect(await harness.awaitState(actionId, 'given-up')).toMatchObject({
      attempts: 1,
      lastError: 'HTTP 410: the receiver wants no more',
    });
  });

  it('ends each try at its timeout, whatever the receiver does', async () => {
    const silent = await harness.receiver(() => undefined);
    const actionId = await harness.givenAction(silent.url);
    await start({ ...POLLING, WEBHOOK_TIMEOUT_MS: '200', WEBHOOK_MAX_ATTEMPTS: '2' });
    expect(await harness.awaitState(actionId, 'given-up')).toMatchObject({
      attempts: 2,
      lastError: NO_ANSWER,
    });
  });

  it('counts as delivered at a 2xx status, even if the body never ends', async () => {
    const endless = await harness.receiver((response) => {
      response.writeHead(200);
      const pour = (): void => {
        while (!response.destroyed && response.write('x'.repeat(10_000)));
        if (!response.destroyed) response.once('drain', pour);
      };
      pour();
    });
    const dribbling = await harness.receiver((response) => response.writeHead(200).write('x'));
    const actionIds = [await harness.givenAction(endless.url), await harness.givenAction(dribbling.url)];
    await start({ ...POLLING, WEBHOOK_TIMEOUT_MS: '1000' });
    for (const actionId of actionIds) await harness.awaitState(actionId, 'delivered');
    expect([endless.received.length, dribbling.received.length]).toEqual([1, 1]);
  });

  it('does not delay the webhooks of other accounts', async () => {
    const silent = await harness.receiver(() => undefined);
    const receiver = await harness.receiver();
    const slow = Array.from({ length: 8 }, () =>
      harness.givenAction(silent.url, { dueAt: new Date(0) }, { accountId: 'slow' }),
    );
    await Promise.all(slow);
    const actionId = await harness.givenAction(receiver.url);
    await start({ WEBHOOK_CONCURRENCY: '4', WEBHOOK_ACCOUNT_CONCURRENCY: '2', WEBHOOK_STOP_MS: '0' });
    await harness.awaitState(actionId, 'delivered');
    await eventually('two requests', () => silent.received.length === 2);
    expect(silent.received).toHaveLength(2);
    // Leave no due webhook to the following tests.
    await harness.notifiers.database.actions.deleteMany({ accountId: 'slow' });
  });
});

describe('the index for claiming webhooks', () => {
  it('holds only webhooks that are still to be delivered', async () => {
    const indexes = await harness.notifiers.database.actions.indexes();
    const index = indexes.find(({ name }) => name === 'status_1_callback.dueAt_1_accountId_1');
    expect(index).toMatchObject({ partialFilterExpression: { 'callback.dueAt': { $exists: true } } });
  });
});
