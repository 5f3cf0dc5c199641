import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { BulkClient, type BulkClientOptions } from '@bulk/client';
import type { ActionUpdate } from '@bulk/contracts';
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

/** Creates a client of @bulk/client as a user would, connected to the notifier. */
function client(options: Partial<BulkClientOptions> = {}): BulkClient {
  const made = new BulkClient({
    baseUrl: 'http://127.0.0.1:9',
    websocketUrl: notifier.url,
    accountId: ACCOUNT,
    reconnect: { initialDelayMs: 50, maxDelayMs: 200, maxAttempts: 100 },
    ...options,
  });
  harness.installation.onDispose(() => {
    made.close();
    return Promise.resolve();
  });
  return made;
}

describe('the client', () => {
  it('follows an action and stops following it', async () => {
    const actionId = await harness.givenAction();
    const user = client();
    const updates: ActionUpdate[] = [];
    const stop = await user.onProgress(actionId, (update) => updates.push(update));
    await eventually('the snapshot', () => updates.length === 1);
    await harness.publish({ actionId, version: 2 });
    await eventually('the change', () => updates.at(-1)?.version === 2);
    await stop();
    const followed = await harness.givenAction();
    const other: ActionUpdate[] = [];
    await user.onProgress(followed, (update) => other.push(update));
    await harness.publish(
      { actionId, version: 3, partition: 0 },
      { actionId: followed, version: 2, partition: 0 },
    );
    await eventually('the other', () => other.at(-1)?.version === 2);
    expect(updates.map(({ version }) => version)).toEqual([1, 2]);
  });

  it('waits for the end of an action', async () => {
    const actionId = await harness.givenAction();
    const versions: number[] = [];
    const completed = client().waitForCompletion(actionId, {
      timeoutMs: 30_000,
      onProgress: ({ version }) => versions.push(version),
    });
    await eventually('the snapshot', () => versions.length > 0);
    await harness.publish({
      actionId,
      version: 2,
      status: 'completed',
      success: 1_000,
      finishedAt: Date.now(),
    });
    expect(await completed).toMatchObject({ actionId, status: 'completed', success: 1_000, percent: 100 });
    expect(versions).toEqual([1, 2]);
  });

  it('returns at once when the action has already ended', async () => {
    const actionId = await harness.givenAction({ status: 'completed', finishedAt: new Date() });
    expect(await client().waitForCompletion(actionId)).toMatchObject({ status: 'completed' });
  });

  it.each(['failed', 'cancelled'] as const)('rejects when the action is %s', async (status) => {
    const actionId = await harness.givenAction({ status });
    await expect(client().waitForCompletion(actionId)).rejects.toMatchObject({
      code: `ACTION_${status.toUpperCase()}`,
      update: { actionId, status },
    });
  });

  it("rejects for an unknown action and for another account's, while others continue", async () => {
    const actionId = await harness.givenAction();
    const stranger = client({ accountId: 'other' });
    const own = await harness.givenAction({ accountId: 'other' });
    const completed = stranger.waitForCompletion(own);
    for (const id of [actionId, randomUUID()]) {
      await expect(stranger.onProgress(id, () => undefined)).rejects.toMatchObject({
        code: 'ACTION_NOT_FOUND',
        details: { actionId: id },
      });
    }
    await harness.publish({ actionId: own, accountId: 'other', version: 2, status: 'completed' });
    expect(await completed).toMatchObject({ version: 2 });
  });

  it('misses nothing when the notifier restarts on the same port', async () => {
    const first = await harness.start();
    const actionId = await harness.givenAction();
    const user = client({ websocketUrl: first.url });
    const versions: number[] = [];
    const completed = user.waitForCompletion(actionId, {
      onProgress: ({ version }) => versions.push(version),
    });
    await eventually('the snapshot', () => versions.length > 0);
    await harness.publish({ actionId, version: 2 });
    await eventually('the second', () => versions.at(-1) === 2);
    await first.stop();
    await harness.database.actions.updateOne({ _id: actionId }, { $set: { version: 3 } });
    await harness.publish({ actionId, version: 3 });
    await harness.start({ PORT: String(first.port) });
    await eventually('what was missed', () => versions.at(-1) === 3);
    await harness.publish({ actionId, version: 4, status: 'completed' });
    expect(await completed).toMatchObject({ version: 4 });
    expect(versions).toEqual([1, 2, 3, 4]);
  });

  it('follows its account over a restart of the notifier and misses nothing', async () => {
    const accountId = `account-${randomUUID()}`;
    const first = await harness.start();
    const [running, ending] = [
      await harness.givenAction({ accountId }),
      await harness.givenAction({ accountId }),
    ];
    await harness.givenAction({ accountId, status: 'completed', finishedAt: new Date(Date.now() - 60_000) });
    const user = client({ websocketUrl: first.url, accountId });
    const seen: string[] = [];
    const stop = await user.onAccountProgress(({ actionId, version }) => seen.push(`${actionId} ${version}`));
    await eventually('the snapshot', () => seen.length === 2);
    await harness.publish({ actionId: running, accountId, version: 2 });
    await eventually('the change', () => seen.length === 3);
    await first.stop();
    const finishedAt = new Date();
    await harness.database.actions.updateOne({ _id: running }, { $set: { version: 2 } });
    await harness.database.actions.updateOne(
      { _id: ending },
      { $set: { version: 2, status: 'completed', finishedAt } },
    );
    const created = await harness.givenAction({ accountId, status: 'failed', version: 4, finishedAt });
    await harness.start({ PORT: String(first.port) });
    await eventually('what was missed', () => seen.length === 5);
    await harness.publish({ actionId: running, accountId, version: 3 });
    await eventually('the next change', () => seen.length === 6);
    expect(seen.slice(0, 2).sort()).toEqual([`${running} 1`, `${ending} 1`].sort());
    expect(seen[2]).toBe(`${running} 2`);
    expect(seen.slice(3, 5).sort()).toEqual([`${ending} 2`, `${created} 4`].sort());
    expect(seen[5]).toBe(`${running} 3`);
    await stop();
  });

  it('gives up after its maximum number of tries', async () => {
    const gone = await harness.start();
    await gone.stop();
    const user = client({
      websocketUrl: gone.url,
      reconnect: { initialDelayMs: 1, maxDelayMs: 5, maxAttempts: 3 },
    });
    await expect(user.waitForCompletion(randomUUID())).rejects.toMatchObject({
      code: 'CONNECTION_LOST',
      retryable: true,
      message: expect.stringMatching(/after 3 tries.*ECONNREFUSED/),
    });
  });
});
