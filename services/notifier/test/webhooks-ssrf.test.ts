import type { LookupAddress } from 'node:dns';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CallbackPolicy, NetworkPolicy } from '@bulk/webhooks';
import { guardedLookup } from '../src/webhooks/guarded-lookup.ts';
import { NO_ANSWER, WebhookSender, type SendResult } from '../src/webhooks/webhook-sender.ts';
import type { RunningNotifier } from './harness.ts';
import { status, type Receiver } from './receiver.ts';
import { WebhookHarness } from './webhook-harness.ts';

let harness: WebhookHarness;
let target: Receiver;

beforeAll(async () => {
  harness = await WebhookHarness.create();
  target = await harness.receiver();
});
afterAll(() => harness.notifiers.installation.dispose());

async function delivering(env: Readonly<Record<string, string>>): Promise<RunningNotifier> {
  return harness.start({ WEBHOOK_POLL_MS: '100', ...env });
}

/** Sends to a name that resolves to the given addresses. */
function sendTo(
  url: string,
  addresses: readonly LookupAddress[],
  allowed: readonly string[],
): Promise<SendResult> {
  const policy = new CallbackPolicy({ networks: new NetworkPolicy(allowed), allowHttp: true, ports: 'any' });
  const sender = new WebhookSender({
    policy,
    lookup: guardedLookup(policy.networks, (_host, _options, callback) => callback(null, [...addresses])),
    timeoutMs: 5_000,
    maxResponseBytes: 1_000,
  });
  return sender.send(url, { headers: {}, body: '{}' }, new AbortController().signal);
}

describe('a webhook to an internal address', () => {
  it('never connects, whatever the form of the address', async () => {
    const hosts = [
      ...['127.0.0.1', '0x7f.1', '2130706433', '0', '[::1]', '[::ffff:127.0.0.1]', '[::ffff:7f00:1]'],
      ...['[::127.0.0.1]', 'localhost', 'a.localhost', '169.254.169.254', '10.0.0.1', '100.64.0.1'],
    ];
    const urls = hosts.map((host) => `http://${host}:${target.port}/`);
    const actionIds = await Promise.all(urls.map((url) => harness.givenAction(url)));
    const notifier = await delivering({ WEBHOOK_ALLOWED_NETWORKS: '' });
    for (const actionId of actionIds) {
      const { attempts, lastError } = await harness.awaitState(actionId, 'given-up');
      expect({ attempts, lastError }).toEqual({
        attempts: 1,
        lastError: 'the URL is forbidden: expected a host with a public address',
      });
    }
    expect(target.connections).toBe(0);
    await notifier.stop();
  });

  it('never connects when only DNS reveals the address', async () => {
    const url = `http://inside.example:${target.port}/`;
    const inside: LookupAddress[] = [{ address: '127.0.0.1', family: 4 }];
    expect(await sendTo(url, inside, [])).toEqual({
      kind: 'failed',
      error: NO_ANSWER,
    });
    expect(target.connections).toBe(0);
    // The check held the webhook back: the same name with the same addresses is reached if its
    // network is allowed.
    expect(await sendTo(url, inside, ['127.0.0.0/8'])).toEqual({ kind: 'delivered' });
    expect(target.received.map(({ headers }) => headers['host'])).toEqual([`inside.example:${target.port}`]);
  });

  it('reveals nothing: a closed port, an unknown host and a forbidden address fail with the same error', async () => {
    const closed = await harness.receiver();
    const { port } = closed;
    await closed.stop();
    const inside: LookupAddress[] = [{ address: '127.0.0.1', family: 4 }];
    const outcomes = [
      await sendTo(`http://127.0.0.1:${port}/`, [], ['127.0.0.0/8']),
      await sendTo(`http://closed.example:${port}/`, inside, ['127.0.0.0/8']),
      await sendTo(`http://inside.example:${target.port}/`, inside, []),
      await sendTo('http://nowhere.example/', [], []),
    ];
    expect(outcomes).toEqual(outcomes.map(() => ({ kind: 'failed', error: NO_ANSWER })));
  });

  it('reaches a name that resolves to an allowed network', async () => {
    const actionId = await harness.givenAction(`http://localhost:${target.port}/`);
    const before = target.connections;
    const notifier = await delivering({ WEBHOOK_ALLOWED_NETWORKS: '127.0.0.1/32' });
    await harness.awaitState(actionId, 'delivered');
    expect(target.connections).toBe(before + 1);
    await notifier.stop();
  });

  it('is not sent through a redirect', async () => {
    const inside = await harness.receiver();
    const redirecting = await harness.receiver(status(302, { location: inside.url }));
    const actionId = await harness.givenAction(redirecting.url);
    const notifier = await delivering({ WEBHOOK_MAX_ATTEMPTS: '2' });
    expect(await harness.awaitState(actionId, 'given-up')).toMatchObject({
      attempts: 2,
      lastError: 'HTTP 302, and redirects are not followed',
    });
    expect(redirecting.received).toHaveLength(2);
    expect(inside.connections).toBe(0);
    await notifier.stop();
  });

  it('is not sent over plain http once that is no longer allowed', async () => {
    const before = target.connections;
    const actionId = await harness.givenAction(target.url);
    const notifier = await delivering({ WEBHOOK_ALLOW_HTTP: 'false' });
    expect(await harness.awaitState(actionId, 'given-up')).toMatchObject({
      lastError: 'the URL is forbidden: expected an https URL',
    });
    expect(target.connections).toBe(before);
    await notifier.stop();
  });
});
