import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '@bulk/testing';
import { NO_ANSWER } from '../src/webhooks/webhook-sender.ts';
import { SELF_SIGNED } from './self-signed.ts';
import { WEBHOOK_ENV, WebhookHarness } from './webhook-harness.ts';

const MAIN = join(import.meta.dirname, '../src/main.ts');
const POLLING = { WEBHOOK_POLL_MS: '100' };

let harness: WebhookHarness;
let scratch: string;

beforeAll(async () => {
  harness = await WebhookHarness.create();
  scratch = await mkdtemp(join(tmpdir(), 'webhooks-'));
});
afterAll(async () => {
  await harness.notifiers.installation.dispose();
  await rm(scratch, { recursive: true });
});

/** Starts a notifier in a process of its own, which ends with the tests at the latest. */
function startProcess(env: Readonly<Record<string, string>>): ChildProcess {
  const { installation } = harness.notifiers;
  const child = spawn(process.execPath, ['--import', 'tsx', MAIN], {
    env: { PATH: process.env['PATH'], ...installation.env, ...WEBHOOK_ENV, ...env },
    stdio: 'ignore',
  });
  installation.onDispose(() => kill(child));
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await exited;
}

describe('a notifier process', () => {
  it('leaves the webhook that it was sending when killed to another instance, with the same id', async () => {
    const receiver = await harness.receiver((response, count) => {
      if (count > 1) response.writeHead(200).end();
    });
    const actionId = await harness.givenAction(receiver.url);
    const child = startProcess({ WEBHOOK_TIMEOUT_MS: '3000', WEBHOOK_LEASE_MARGIN_MS: '500' });
    await eventually('the first request', () => receiver.received.length === 1);
    await kill(child);
    expect(child.signalCode).toBe('SIGKILL');
    expect(await harness.callback(actionId)).toMatchObject({ state: 'delivering', attempts: 1 });

    const other = await harness.start(POLLING);
    expect(await harness.awaitState(actionId, 'delivered')).toMatchObject({ attempts: 2, lastError: null });
    const ids = receiver.received.map(({ headers }) => headers['webhook-id']);
    expect(ids).toEqual([`msg_${actionId}`, `msg_${actionId}`]);
    expect(new Set(receiver.received.map(({ body }) => body)).size).toBe(1);
    await other.stop();
  });

  it('delivers over TLS only to receivers with a trusted certificate', async () => {
    const env = { WEBHOOK_ALLOW_HTTP: 'false', WEBHOOK_MAX_ATTEMPTS: '1' };
    const receiver = await harness.receiver(undefined, 0, true);
    const untrusted = await harness.givenAction(receiver.url);
    const suspicious = await harness.start({ ...POLLING, ...env });
    expect(await harness.awaitState(untrusted, 'given-up')).toMatchObject({
      lastError: NO_ANSWER,
    });
    await suspicious.stop();
    expect(receiver.received).toEqual([]);

    const authority = join(scratch, 'authority.pem');
    await writeFile(authority, SELF_SIGNED.cert);
    const trusted = await harness.givenAction(receiver.url);
    const child = startProcess({ ...env, NODE_EXTRA_CA_CERTS: authority });
    await harness.awaitState(trusted, 'delivered');
    expect(receiver.received.map(({ headers }) => headers['webhook-id'])).toEqual([`msg_${trusted}`]);
    await kill(child);
  });
});
