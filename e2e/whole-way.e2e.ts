import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { company, contact } from '@bulk/action-types';
import { MESSAGES, type ActionUpdate } from '@bulk/contracts';
import { LANES, partitionOf } from '@bulk/domain';
import { workspaceRoot } from '@bulk/local-stack';
import { eventually, TopicReader } from '@bulk/testing';
import { InstallationUnderTest, scenario, modelOf } from './installation-under-test.ts';

let system: InstallationUnderTest;
beforeAll(async () => {
  system = await InstallationUnderTest.start();
}, 120_000);
afterAll(() => system.dispose());

describe('an action from POST to the last frame', () => {
  const { before, entities } = scenario(1_500, 'way');
  const model = modelOf({ before, entities });
  const frames: ActionUpdate[] = [];
  let actionId: string;

  beforeAll(async () => {
    await system.givenContacts(before);
    const client = system.client();
    const action = await client.createAction({ actionType: 'update', entities: [...entities] });
    actionId = action.actionId;
    expect(action).toMatchObject({
      accountId: 'acme',
      entityType: 'contact',
      total: entities.length,
      processed: 0,
    });
    await client.waitForCompletion(actionId, {
      timeoutMs: 90_000,
      onProgress: (update) => frames.push(update),
    });
  }, 120_000);

  it('is accepted once, with its batches on the partitions of their entities', async () => {
    const codec = await system.installation.codec();
    const { topics, kafka } = system.installation;
    const submitted = await TopicReader.open(kafka, [topics.actions]);
    const batches = await TopicReader.open(kafka, LANES.map((lane) => topics.entityBatches[lane])); // prettier-ignore
    const count = Math.ceil(entities.length / 100);
    await eventually('the messages', () => submitted.messages.length > 0 && batches.messages.length >= count);
    const decoded = await Promise.all(
      batches.messages.map(async ({ partition, message }) => ({
        partition,
        batch: await codec.decode(MESSAGES.entityBatch, message.value),
      })),
    );
    const action = await codec.decode(MESSAGES.actionSubmitted, submitted.messages[0]!.message.value);
    await submitted.close();
    await batches.close();
    expect(submitted.messages).toHaveLength(1);
    expect(action).toMatchObject({
      actionId,
      total: entities.length,
      batchCount: decoded.length,
      lane: 'normal',
    });
    const positions = decoded.flatMap(({ batch }) => batch.entities.map(({ position }) => position));
    expect(positions.sort((a, b) => a - b)).toEqual(entities.map((_, i) => i));
    for (const { partition, batch } of decoded) {
      for (const { id } of batch.entities) expect(partitionOf('contact', id, 3)).toBe(partition);
    }
  });

  it('has the outcomes of the sequential model in its logs and counts', async () => {
    await system.expectAccounts(actionId, model);
  });

  it('leaves the entities of the sequential model', async () => {
    await system.expectContacts('way', model.entities);
  });

  it('has the same figures over REST', async () => {
    const client = system.client();
    const of = (status: string): number =>
      model.outcomes.filter((outcome) => outcome.status === status).length;
    const counts = { success: of('success'), failure: of('failure'), skipped: of('skipped') };
    expect(await client.getStats(actionId)).toMatchObject({
      ...counts,
      status: 'completed',
      total: entities.length,
      processed: entities.length,
      percent: 100,
      eta: null,
    });
    expect(await client.getLogSummary(actionId)).toMatchObject(counts);
    const entries = [];
    for await (const entry of client.iterateLogs(actionId)) entries.push(entry);
    expect(entries.map(({ position }) => position)).toEqual(entities.map((_, i) => i));
    expect(entries.map(({ ref }) => ref)).toEqual(entities.map(({ ref }) => ref));
    const { entries: failures, pagination } = await client.getLogs(actionId, {
      type: 'failure',
      limit: 5,
      skip: 2,
    });
    expect(pagination).toEqual({ total: counts.failure, limit: 5, skip: 2 });
    const expected = model.outcomes.filter(({ status }) => status === 'failure').slice(2, 7);
    expect(failures.map(({ position, code }) => [position, code])).toEqual(
      expected.map(({ position, code }) => [position, code]),
    );
  });

  it('was shown live, never backwards, up to its completion', () => {
    const versions = frames.map(({ version }) => version);
    expect(versions).toEqual([...new Set(versions)].sort((a, b) => a - b));
    const processed = frames.map((frame) => frame.processed);
    expect(processed).toEqual([...processed].sort((a, b) => a - b));
    expect(frames.at(-1)).toMatchObject({ status: 'completed', processed: entities.length, percent: 100 });
  });

  it('is invisible to another account', async () => {
    const stranger = system.client('other');
    const refused = { code: 'ACTION_NOT_FOUND', status: 404 };
    await expect(stranger.getAction(actionId)).rejects.toMatchObject(refused);
    await expect(stranger.getStats(actionId)).rejects.toMatchObject(refused);
    await expect(stranger.getLogs(actionId, {})).rejects.toMatchObject(refused);
    await expect(stranger.getLogSummary(actionId)).rejects.toMatchObject(refused);
  });
});

/** Reads an input of intake's tests as bytes. */
function inputCase(file: string): Promise<Buffer> {
  return readFile(join(workspaceRoot, 'services/intake/test/cases', file));
}

/** Sends a POST with a body as it is. @returns the id of the action. */
async function post(path: string, body: Buffer, headers: Readonly<Record<string, string>>): Promise<string> {
  const response = await fetch(`${system.services.intakeUrl}${path}`, {
    method: 'POST',
    headers,
    body: new Uint8Array(body),
  });
  const answer = (await response.json()) as { data?: { actionId: string } };
  expect([response.status, answer]).toEqual([202, expect.objectContaining({ success: true })]);
  return answer.data?.actionId ?? '';
}

describe('a body with unusual values, sent unchanged', () => {
  it("lets the first POST of the project's first description succeed for both contacts", async () => {
    const account = 'account-123';
    const client = system.client(account);
    const ids = ['60d21b4967d0d8992e610c85', '60d21b4967d0d8992e610c86'];
    const created = await client.createAction({
      actionType: 'create',
      entities: ids.map((id) => ({ id, name: `Name of ${id}` })),
    });
    await client.waitForCompletion(created.actionId, { timeoutMs: 60_000 });
    const updated = await post('/bulk-actions', await inputCase('seed-post.json'), {
      'content-type': 'application/json',
    });
    await client.waitForCompletion(updated, { timeoutMs: 60_000 });
    for (const actionId of [created.actionId, updated])
      expect(await client.getLogSummary(actionId)).toMatchObject({ success: 2, failure: 0, skipped: 0 });
    const stored = await system.database
      .entities(contact.collection)
      .find({ accountId: account })
      .sort({ _id: 1 })
      .toArray();
    expect(stored).toMatchObject([
      { id: ids[0], name: 'Updated Name', email: 'new.email@example.com' },
      { id: ids[1], name: `Name of ${ids[1]}`, age: 35 },
    ]);
  }, 120_000);

  it('fails each row with a number that a double cannot hold, and changes no other number', async () => {
    const client = system.client();
    const actionId = await post(
      '/bulk-actions?actionType=upsert&entityType=company',
      await inputCase('17-big-numbers.ndjson'),
      { 'content-type': 'application/x-ndjson', 'x-account-id': 'acme' },
    );
    await client.waitForCompletion(actionId, { timeoutMs: 60_000 });
    const { entries } = await client.getLogs(actionId, {});
    const failed = { status: 'failure', code: 'INVALID_ENTITY' };
    expect(entries).toMatchObject([
      { ...failed, entityId: 'big-1', message: expect.stringContaining('9007199254740993') },
      { ...failed, entityId: 'big-2', message: expect.stringContaining('9007199254740993') },
      { ...failed, entityId: 'big-3', message: expect.stringContaining('0.1234567890123456789') },
      { ...failed, entityId: 'big-4', message: expect.stringContaining('1e400') },
      { status: 'success', entityId: 'big-5' },
      { ...failed, entityId: 'big-6' },
      { status: 'success', entityId: 'big-7' },
    ]);
    const stored = await system.database
      .entities(company.collection)
      .find({ accountId: 'acme' })
      .sort({ _id: 1 })
      .toArray();
    expect(stored).toMatchObject([
      { id: 'big-5', name: 'Minus Zero Ltd', annualRevenue: 0, employees: 0 },
      { id: 'big-7', name: 'Float Ltd', employees: 3 },
    ]);
  }, 120_000);
});
