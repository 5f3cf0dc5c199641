import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { request, type ClientRequest, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { contact } from '@bulk/action-types';
import { workspaceRoot } from '@bulk/local-stack';
import { checkAccounting, eventually } from '@bulk/testing';
import { ACCOUNT, InstallationUnderTest, scenario, modelOf } from './installation-under-test.ts';

const SIZE = 4_000;
const GRACE_MS = 15_000;
const UPLOADS = 10;
let system: InstallationUnderTest;
beforeAll(async () => {
  system = await InstallationUnderTest.start(
    { handler: 2, 'stats-aggregator': 2 },
    {},
    // No commit in between except at the end of a fetch.
    { SHUTDOWN_GRACE_MS: String(GRACE_MS), COMMIT_INTERVAL_MS: '60000' },
  );
}, 120_000);
afterAll(() => system.dispose());

/** The services that receive SIGTERM, all at once, and how far the action is by then. */
const STOPS = [
  { stopped: ['handler', 'handler-2'], after: 0.1 },
  { stopped: ['stats-aggregator', 'stats-aggregator-2'], after: 0.1 },
  { stopped: ['handler-2', 'stats-aggregator-2', 'notifier'], after: 0.1 },
  { stopped: ['intake'], after: 0 },
];

/** Returns the next offset of each partition of a topic that a group will receive. */
async function committed(group: string, topic: string): Promise<number[]> {
  const admin = system.installation.kafka.admin();
  await admin.connect();
  try {
    const groupId = `${system.installation.env['TOPIC_PREFIX']!}${group}`;
    const [offsets] = await admin.fetchOffsets({ groupId, topics: [topic] });
    return [0, 1, 2].map((partition) =>
      Math.max(0, Number(offsets?.partitions.find((each) => each.partition === partition)?.offset ?? 0)),
    );
  } finally {
    await admin.disconnect();
  }
}

/**
 * Returns, for each partition of the lane, the offset after the last batch that has changed a
 * contact.
 */
async function applied(mark: string): Promise<number[]> {
  const { database } = system;
  const changed = await database
    .entities(contact.collection)
    .find({ _id: { $gte: `acme:${mark}`, $lt: `acme:${mark}\uffff` } })
    .toArray();
  return [0, 1, 2].map((partition) =>
    Math.max(
      ...changed
        .map(({ fence }) => fence?.normal)
        .filter((at) => at?.partition === partition)
        .map((at) => at!.offset + 1),
    ),
  );
}

/** Returns how long Kubernetes waits after SIGTERM before it sends SIGKILL, by the manifest of a service, in ms. */
function killAfterMs(service: string): number {
  const path = join(workspaceRoot, 'deploy', 'k8s', 'base', service, 'deployment.yaml');
  const manifest = readFileSync(path, 'utf8');
  const seconds = (pattern: RegExp): number => Number(pattern.exec(manifest)?.[1] ?? 0);
  // The time of the preStop hook, which comes before SIGTERM, is part of the grace period.
  const ms =
    (seconds(/terminationGracePeriodSeconds: (\d+)/) - seconds(/sleep: \{ seconds: (\d+) \}/)) * 1_000;
  expect(ms).toBeGreaterThan(GRACE_MS);
  return ms;
}

/**
 * Stops instances at the same time as Kubernetes does: SIGTERM, and SIGKILL at the end of the grace period. Expects that
 * they end by themselves with code 0 and in time, and reports the seconds.
 */
async function stopAsKubernetes(instances: readonly string[], during: string): Promise<void> {
  const begin = performance.now();
  const ends = await Promise.all(
    instances.map(async (name) => {
      const { code, signal } = await system.services
        .member(name)
        .stop(killAfterMs(name.replace(/-\d+$/, '')));
      return { name, code, signal, ms: performance.now() - begin };
    }),
  );
  for (const { name, code, ms } of ends)
    process.stderr.write(`stop of ${name} ${during}: exit code ${code}, ${(ms / 1_000).toFixed(1)} s\n`);
  expect(ends.map(({ code, signal }) => ({ code, signal }))).toEqual(
    instances.map(() => ({ code: 0, signal: null })),
  );
  expect(Math.max(...ends.map(({ ms }) => ms))).toBeLessThan(GRACE_MS);
}

describe('a process asked to stop in the middle of an action', () => {
  it.each(STOPS)(
    'ends well within its grace time, and nothing is lost or repeated ($stopped)',
    async ({ stopped, after }) => {
      const mark = stopped.join('');
      const { before, entities } = scenario(SIZE, mark);
      const model = modelOf({ before, entities });
      await system.givenContacts(before);
      const client = system.client();
      const { actionId } = await client.createAction({ actionType: 'update', entities: [...entities] });
      const completed = client.waitForCompletion(actionId, { timeoutMs: 90_000 });
      completed.catch(() => undefined);
      await eventually(
        'the action is under way',
        async () => {
          const action = await system.database.actions.findOne({ _id: actionId });
          return (action?.counts.success ?? -1) >= SIZE * after;
        },
        { everyMs: 10 },
      );

      await stopAsKubernetes(stopped, 'in the middle of an action');
      const action = await system.database.actions.findOne({ _id: actionId });
      // A stop after the end would prove nothing.
      expect(action?.status).not.toBe('completed');
      const { topics } = system.installation;
      // All of them are down: what was done is committed, to the message, so that nothing is
      // delivered twice.
      if (mark.startsWith('handlerhandler'))
        expect(await committed('handler.normal', topics.entityBatches.normal)).toEqual(await applied(mark));
      if (mark.startsWith('stats-aggregatorstats')) {
        const counted = await committed('stats-aggregator', topics.results);
        const logs = await system.database.actionLogs.find({ actionId }).toArray();
        const last = Math.max(...logs.map(({ source }) => source.offset + 1));
        expect(counted[logs[0]!.source.partition]).toBe(last);
      }
      for (const name of stopped) await system.services.restart(name);

      expect(await completed).toMatchObject({ status: 'completed', processed: SIZE });
      await system.expectOutcome(actionId, mark, model);
    },
    120_000,
  );
});

/**
 * Starts an upload that continues until it is destroyed. Resolves when intake has staged a part of
 * it.
 */
async function openUpload(
  accountId = ACCOUNT,
  rows = 10_000,
): Promise<{ upload: ClientRequest; answered: Promise<[number, string]> }> {
  const headers = { 'content-type': 'application/x-ndjson', 'x-account-id': accountId };
  const upload = request(`${system.services.intakeUrl}/bulk-actions?actionType=update`, {
    method: 'POST',
    headers,
  });
  upload.on('error', () => undefined);
  const answered = once(upload, 'response').then(async ([answer]): Promise<[number, string]> => {
    const { statusCode } = answer as IncomingMessage;
    let text = '';
    for await (const chunk of answer as IncomingMessage) text += String(chunk);
    return [statusCode ?? 0, text];
  });
  const before = await stagedUploads();
  for (let i = 0; i < rows; i += 1) upload.write(`{"id":"open-${i}","lastName":"Open"}\n`);
  await eventually('a part of the upload is staged', async () => (await stagedUploads()) > before);
  const sending = setInterval(() => upload.write('\n'), 100);
  upload.once('close', () => clearInterval(sending));
  return { upload, answered };
}

/**
 * Starts a download that exceeds all buffers between its reader and intake, and reads almost
 * nothing of it.
 */
async function openDownload(
  actionId: string,
): Promise<{ answer: IncomingMessage; broken: Promise<unknown> }> {
  const message = 'x'.repeat(2_000);
  for (let batchNo = 0; batchNo < 150; batchNo += 1) {
    const outcomes = Array.from({ length: 100 }, (_, i) => {
      const position = batchNo * 100 + i;
      return { position, entityId: `c-${position}`, ref: null, status: 'failure' as const, code: null, message, attempts: 1 };
    }); // prettier-ignore
    await system.database.actionLogs.insertOne({
      _id: `${actionId}:${batchNo}`,
      actionId,
      batchNo,
      partition: 0,
      counts: { success: 0, failure: 100, skipped: 0 },
      outcomes,
      firstPosition: batchNo * 100,
      lastPosition: batchNo * 100 + 99,
      source: { partition: 0, offset: batchNo },
      at: new Date(0),
    });
  }
  const headers = { 'x-account-id': ACCOUNT };
  const download = request(`${system.services.intakeUrl}/bulk-actions/${actionId}/results.ndjson`, {
    headers,
  });
  download.end();
  const [answer] = (await once(download, 'response')) as [IncomingMessage];
  return { answer, broken: once(answer, 'error').then(([error]) => error as unknown) };
}

/** Returns the number of open uploads of which a part is staged. */
async function stagedUploads(): Promise<number> {
  const open = await system.database.actions.find({ status: 'staging' }).toArray();
  const batches = await Promise.all(open.map(({ _id }) => batchesOf(_id)));
  return batches.filter((count) => count > 0).length;
}

/** Expects that an upload was answered with 503 because its intake stops. */
async function expectRefused({ answered }: { readonly answered: Promise<[number, string]> }): Promise<void> {
  const [status, text] = await answered;
  expect([status, JSON.parse(text)]).toMatchObject([503, { error: { code: 'SERVICE_STOPPING' } }]);
}

/** Expects that open uploads have left nothing behind. */
async function expectNothingStaged(): Promise<void> {
  expect(await system.database.actions.countDocuments({ status: 'staging' })).toBe(0);
  expect(await system.database.stagedBatches.countDocuments({ 'entities.id': 'open-0' })).toBe(0);
}

async function batchesOf(actionId: string): Promise<number> {
  return system.database.stagedBatches.countDocuments({ actionId });
}

describe('intake asked to stop with requests and a dispatch under way', () => {
  it('hands its leases back first, refuses the upload, marks the download and exits with code 0 in time', async () => {
    const client = system.client();
    const mark = 'busy';
    const { entities } = scenario(SIZE, mark);
    const scheduledFor = new Date(Date.now() + 3_600_000).toISOString();
    const later = await client.createAction({ actionType: 'update', entities: [{ id: 'x' }], scheduledFor });
    const { answer, broken } = await openDownload(later.actionId);
    // Without handlers the window of the lane stays full, and the lease is kept.
    for (const name of ['handler', 'handler-2']) await system.services.member(name).stop();
    const { actionId } = await client.createAction({ actionType: 'update', entities: [...entities] });
    const completed = client.waitForCompletion(actionId, { timeoutMs: 90_000 });
    completed.catch(() => undefined);
    const dispatch = async () => (await system.database.actions.findOne({ _id: actionId }))!.dispatch;
    await eventually('the action is being dispatched', async () => {
      const { lease, nextBatch, done } = await dispatch();
      return lease !== null && nextBatch > 0 && !done;
    });
    const open = await openUpload();

    const begin = performance.now();
    const exited = system.services.member('intake').stop(GRACE_MS + 5_000);
    await eventually('the lease is handed back', async () => (await dispatch()).lease === null);
    expect(await Promise.race([exited, Promise.resolve('still running')])).toBe('still running');
    await expectRefused(open);
    await expectNothingStaged();
    let results = '';
    answer.setEncoding('utf8').on('data', (piece) => (results += String(piece)));
    expect(await broken).toMatchObject({ code: 'ECONNRESET' });
    const last: unknown = JSON.parse(results.trimEnd().split('\n').at(-1)!);
    expect(last).toMatchObject({ status: 'incomplete', code: 'SERVICE_STOPPING' });
    expect(await exited).toEqual({ code: 0, signal: null });
    expect(performance.now() - begin).toBeLessThan(GRACE_MS);
    expect((await dispatch()).done).toBe(false);

    open.upload.destroy();
    for (const name of ['intake', 'handler', 'handler-2']) await system.services.restart(name);
    expect(await completed).toMatchObject({ status: 'completed', processed: SIZE });
    expect((await checkAccounting(system.database, actionId)).breaches).toEqual([]);
  }, 120_000);

  it(`refuses ${UPLOADS} open uploads, leaves nothing of them and exits with code 0 in time`, async () => {
    const uploads: Awaited<ReturnType<typeof openUpload>>[] = [];
    // An account may have eight open uploads.
    for (let i = 0; i < UPLOADS; i += 1) uploads.push(await openUpload(`${ACCOUNT}-${i % 2}`, 3_000));
    await stopAsKubernetes(['intake'], `with ${UPLOADS} uploads open`);
    await Promise.all(uploads.map((open) => expectRefused(open)));
    await expectNothingStaged();
    for (const { upload } of uploads) upload.destroy();
    await system.services.restart('intake');
  }, 120_000);
});
