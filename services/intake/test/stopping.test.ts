import { once } from 'node:events';
import { request, type ClientRequest, type IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually, type InProcessService } from '@bulk/testing';
import { uuidv7 } from 'uuidv7';
import { entitiesOf, IntakeHarness } from './harness.ts';

const GRACE_MS = 6_000;
let harness: IntakeHarness;
beforeAll(async () => {
  harness = await IntakeHarness.create();
});
afterAll(() => harness.installation.dispose());

interface Answered {
  readonly answer: IncomingMessage;
  readonly text: string;
}

/** Starts a request whose body does not end. Resolves when intake waits for the body. */
async function openUpload(
  type: string,
  begin: string | Buffer,
  headers: Readonly<Record<string, string>> = {},
): Promise<{ upload: ClientRequest; answered: Promise<Answered> }> {
  const query = type === 'application/json' ? '' : '?actionType=update';
  const upload = request(`${harness.url}/bulk-actions${query}`, {
    method: 'POST',
    headers: { 'content-type': type, 'x-account-id': 'acme', expect: '100-continue', ...headers },
  });
  upload.on('error', () => undefined);
  upload.flushHeaders();
  const answered = once(upload, 'response').then(async ([answer]): Promise<Answered> => {
    let text = '';
    for await (const chunk of answer as IncomingMessage) text += String(chunk);
    return { answer: answer as IncomingMessage, text };
  });
  await once(upload, 'continue');
  upload.write(begin);
  return { upload, answered };
}

/** Stops intake. @returns how long that took, in ms. */
async function stop(service: InProcessService): Promise<number> {
  const startedAt = performance.now();
  await service.stop(GRACE_MS);
  return performance.now() - startedAt;
}

const rows = (from: number, to: number): string =>
  entitiesOf(to)
    .slice(from)
    .map((entity) => `${JSON.stringify(entity)}\n`)
    .join('');

const staging = (): Promise<number> => harness.database.actions.countDocuments({ status: 'staging' });

describe('intake while it stops', () => {
  it.each([
    ['NDJSON', 'application/x-ndjson', rows(0, 300), '\n', {}],
    ['compressed NDJSON', 'application/x-ndjson', gzipSync(rows(0, 900)).subarray(0, -12), '', { 'content-encoding': 'gzip' }],
    ['JSON', 'application/json', '{"actionType":"update","entities":[{"id":"c1"},', ' ', {}],
  ])('refuses an open upload of %s after half of its time and keeps nothing', async (_what, type, begin, more, headers) => {
    const service = await harness.start();
    const before = await harness.traces();
    const { upload, answered } = await openUpload(type, begin, headers);
    if (type !== 'application/json')
      await eventually('something is staged', async () => (await staging()) === 1);
    // A client that continues to send and does not read the answer.
    const sending = setInterval(() => upload.write(more), 20);
    const tookMs = stop(service);
    const { answer, text } = await answered.finally(() => clearInterval(sending));
    expect([answer.statusCode, answer.headers.connection]).toEqual([503, 'close']);
    expect(answer.headers['retry-after']).toBe('1');
    expect(JSON.parse(text)).toMatchObject({ success: false, error: { code: 'SERVICE_STOPPING' } });
    expect(await harness.traces()).toEqual(before);
    expect(await tookMs).toBeLessThan(GRACE_MS);
    upload.destroy();
  }); // prettier-ignore

  it('accepts an upload that ends in time and says that the connection is closed', async () => {
    const service = await harness.start();
    const { upload, answered } = await openUpload('application/x-ndjson', rows(0, 30));
    await eventually('the upload is open', async () => (await staging()) === 1);
    const tookMs = stop(service);
    await eventually('new connections are refused', () =>
      fetch(harness.url).then(
        () => false,
        () => true,
      ),
    );
    upload.end(rows(30, 50));
    const { answer } = await answered;
    expect([answer.statusCode, answer.headers.connection]).toEqual([202, 'close']);
    expect(await tookMs).toBeLessThan(GRACE_MS / 2);
  });

  it.each(['ndjson', 'csv'])('ends an open download of results.%s with a row that says so and closes the connection', async (format) => {
    const service = await harness.start();
    const actionId = await finished(100);
    const download = request(`${harness.url}/bulk-actions/${actionId}/results.${format}`, { headers: { 'x-account-id': 'acme' } });
    download.end();
    const [answer] = (await once(download, 'response')) as [IncomingMessage];
    expect(answer.statusCode).toBe(200);
    let text = '';
    const ended = new Promise<Error>((resolve) => answer.once('error', resolve));
    const tookMs = stop(service);
    // A slow reader, who reads the rest only after the download was cut off.
    const reading = setInterval(() => (text += String(answer.read(1_000) ?? '')), 20);
    setTimeout(() => {
      clearInterval(reading);
      answer.setEncoding('utf8').on('data', (piece) => (text += String(piece)));
    }, GRACE_MS * 0.4);
    const error = await ended;
    expect(error).toMatchObject({ code: 'ECONNRESET' });
    expect(await tookMs).toBeLessThan(GRACE_MS);
    const last = text.trimEnd().split('\n').at(-1);
    expect(last).toContain(format === 'csv' ? ',incomplete,SERVICE_STOPPING,' : '"status":"incomplete"');
  }); // prettier-ignore

  it('waits for no connection that is idle, silent, refused or in the middle of its headers', async () => {
    const service = await harness.start();
    const port = Number(new URL(harness.url).port);
    const open = async (text: string): Promise<Socket> => {
      // The client's own end stays open, whatever the server does.
      const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
      socket.on('error', () => undefined);
      await once(socket, 'connect');
      if (text !== '') socket.write(text);
      return socket;
    };
    const idle = await open('GET /bulk-actions/7 HTTP/1.1\r\nhost: h\r\n\r\n');
    const refused = await open('hello\r\n\r\n');
    await Promise.all([once(idle, 'data'), once(refused, 'data')]);
    await open('');
    expect(await stop(service)).toBeLessThan(2_000);

    const next = await harness.start();
    const half = connect({ port: Number(new URL(harness.url).port), host: '127.0.0.1', allowHalfOpen: true });
    half.on('error', () => undefined);
    await once(half, 'connect');
    half.write('GET / HTTP/1.1\r\nx: y');
    expect(await stop(next)).toBeLessThan(GRACE_MS);
    for (const socket of [idle, refused, half]) socket.destroy();
  });
});

/** Creates an action with an outcome for each of the given number of batches of a hundred. */
async function finished(batches: number): Promise<string> {
  const actionId = uuidv7();
  await harness.accepted(actionId, 1, new Date(Date.now() + 3_600_000));
  const message = 'x'.repeat(2_000);
  const logs = Array.from({ length: batches }, (_, batchNo) => ({
    _id: `${actionId}:${batchNo}`,
    actionId,
    batchNo,
    partition: 0,
    counts: { success: 100, failure: 0, skipped: 0 },
    outcomes: Array.from({ length: 100 }, (_unused, i) => {
      const position = batchNo * 100 + i;
      return { position, entityId: `c-${position}`, ref: null, status: 'success' as const, code: null, message, attempts: 1 };
    }),
    firstPosition: batchNo * 100,
    lastPosition: batchNo * 100 + 99,
    source: { partition: 0, offset: batchNo },
    at: new Date(1_000),
  })); // prettier-ignore
  for (let i = 0; i < logs.length; i += 100)
    await harness.database.actionLogs.insertMany(logs.slice(i, i + 100));
  return actionId;
}
