import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { BreakableLink, eventually } from '@bulk/testing';
import { WebhookStore } from '../src/webhooks/webhook-store.ts';
import { status } from './receiver.ts';
import { WebhookHarness } from './webhook-harness.ts';

let harness: WebhookHarness;

beforeAll(async () => {
  harness = await WebhookHarness.create();
});
afterAll(() => harness.notifiers.installation.dispose());

/** Connects MongoDB through a link that can be cut. */
async function breakableMongo(): Promise<{ link: BreakableLink; uri: string }> {
  const { installation } = harness.notifiers;
  const direct = installation.env['MONGODB_URI']!;
  const { host, hostname, port } = new URL(direct.replace(/^mongodb/, 'http'));
  const link = await BreakableLink.to(hostname, Number(port));
  installation.onDispose(() => link.close());
  return { link, uri: direct.replace(host, `127.0.0.1:${link.port}`) };
}

const POLLING = { WEBHOOK_POLL_MS: '100' };

describe('a webhook whose sender dies', () => {
  it('is sent by another instance with the same id after the lease has expired', async () => {
    const receiver = await harness.receiver();
    const actionId = await harness.givenAction(receiver.url);
    // The claim that a process leaves behind when it is killed during a try.
    const dead = new WebhookStore(harness.notifiers.database, 1_500, () => new Date());
    const claimed = await dead.claim('dead/1', []);
    expect(claimed).toMatchObject({ action: { _id: actionId }, callback: { attempts: 1 } });

    const notifier = await harness.start(POLLING);
    const { lastAttemptAt, attempts } = await harness.awaitState(actionId, 'delivered');
    expect(attempts).toBe(2);
    expect(lastAttemptAt!.getTime() - claimed!.callback.lastAttemptAt!.getTime()).toBeGreaterThanOrEqual(
      1_500,
    );
    expect(receiver.received.map(({ headers }) => headers['webhook-id'])).toEqual([`msg_${actionId}`]);

    // If the process was only slow, it changes nothing any more.
    expect(await dead.settle(claimed!, { kind: 'given-up', error: 'late' })).toBe(false);
    expect(await harness.callback(actionId)).toMatchObject({ state: 'delivered', lastError: null });
    await notifier.stop();
  });

  it('is sent twice when only the record of its delivery is lost', async () => {
    const { link, uri } = await breakableMongo();
    const receiver = await harness.receiver((response, count) => {
      if (count === 1) link.break();
      status(200)(response, count);
    });
    const actionId = await harness.givenAction(receiver.url);
    const cutOff = await harness.start({
      MONGODB_URI: uri,
      MONGODB_TIMEOUT_MS: '500',
      WEBHOOK_TIMEOUT_MS: '500',
      WEBHOOK_LEASE_MARGIN_MS: '500',
    });
    await eventually('the first delivery', () => receiver.received.length === 1);
    const other = await harness.start(POLLING);
    expect(await harness.awaitState(actionId, 'delivered')).toMatchObject({ attempts: 2 });
    const ids = receiver.received.map(({ headers }) => headers['webhook-id']);
    expect(ids).toEqual([`msg_${actionId}`, `msg_${actionId}`]);
    link.restore();
    await cutOff.stop();
    await other.stop();
  });
});

describe('a notifier that stops', () => {
  it('finishes deliveries under way and claims no more', async () => {
    const answers: (() => void)[] = [];
    const receiver = await harness.receiver((response) => {
      answers.push(() => response.writeHead(200).end());
    });
    const first = await harness.givenAction(receiver.url);
    const second = await harness.givenAction(receiver.url);
    const notifier = await harness.start({ ...POLLING, WEBHOOK_CONCURRENCY: '1' });
    await eventually('the first request', () => answers.length === 1);
    const stopped = notifier.stop();
    answers[0]!();
    await stopped;
    const states = [await harness.callback(first), await harness.callback(second)];
    expect(states.map(({ state }) => state).sort()).toEqual(['delivered', 'waiting']);
    expect(receiver.received).toHaveLength(1);
    await harness.notifiers.database.actions.deleteMany({ _id: { $in: [first, second] } });
  });

  it('aborts a slow delivery and hands it back without counting the try', async () => {
    const receiver = await harness.receiver((response, count) => {
      if (count > 1) response.writeHead(200).end();
    });
    const actionId = await harness.givenAction(receiver.url);
    const notifier = await harness.start({ WEBHOOK_STOP_MS: '100', WEBHOOK_TIMEOUT_MS: '60000' });
    await eventually('the request', () => receiver.received.length === 1);
    await notifier.stop();
    expect(notifier.failures).toEqual([]);
    expect(await harness.callback(actionId)).toMatchObject({ state: 'waiting', attempts: 0, owner: null });

    // The webhook is repeated at once, because its lease was handed back.
    const other = await harness.start();
    await harness.awaitState(actionId, 'delivered');
    await other.stop();
  });

  it('stops in time although MongoDB does not answer', async () => {
    const { link, uri } = await breakableMongo();
    const notifier = await harness.start({ MONGODB_URI: uri, MONGODB_TIMEOUT_MS: '500', ...POLLING });
    link.break();
    const before = Date.now();
    await notifier.stop();
    expect(Date.now() - before).toBeLessThan(15_000);
  });
});
