import { request as httpRequest, type ClientRequest } from 'node:http';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually, type InProcessService } from '@bulk/testing';
import { entitiesOf, IntakeHarness, type Answer } from './harness.ts';

let harness: IntakeHarness;
let service: InProcessService;
beforeAll(async () => {
  harness = await IntakeHarness.create();
  service = await harness.start({
    MAX_ENTITIES: '300000',
    MAX_ENTITY_BYTES: '40000',
    UPLOAD_BUFFER_BYTES: '65536',
    UPLOADS_IN_FLIGHT: '2',
    UPLOADS_IN_FLIGHT_ACCOUNT: '1',
  });
});
afterAll(async () => {
  await harness.installation.dispose();
  expect(service.failures).toEqual([]);
});

const JSON_TYPE = { 'content-type': 'application/json' };
const NDJSON = { 'content-type': 'application/x-ndjson' };
const CSV = { 'content-type': 'text/csv' };
const GZIP = { 'content-encoding': 'gzip' };
const UPDATE = '/bulk-actions?actionType=update';
const nested = (levels: number): string => '{"a":'.repeat(levels) + '1' + '}'.repeat(levels);
const action = (entity: string): string => `{"actionType":"update","entities":[${entity}]}`;
const code = ({ status, body }: Answer): unknown[] => [status, body.error?.code];

/** Starts a request whose body does not end until the test ends it. */
function startRequest(path: string, headers: Record<string, string>, part: string | Buffer): ClientRequest {
  const { hostname, port } = new URL(harness.url);
  const sent = httpRequest({ hostname, port, method: 'POST', path, headers });
  sent.on('error', () => undefined);
  sent.write(part);
  return sent;
}

const staging = (): Promise<number> => harness.database.actions.countDocuments({ status: 'staging' });

describe('a request', () => {
  it.each<[string, string, string | Buffer, Record<string, string>, number, string]>([
    ['an entity nested 4,500 levels in JSON', '/bulk-actions', action(`{"id":"a","x":${nested(4_500)}}`), JSON_TYPE, 400, 'INVALID_REQUEST'],
    ['an entity nested 4,500 levels in NDJSON', `${UPDATE}&invalidRows=refuse`, `{"id":"a","x":${nested(4_500)}}\n`, NDJSON, 400, 'INVALID_ROW'],
    ['a config nested 4,500 levels', '/bulk-actions', `{"actionType":"update","config":${nested(4_500)},"entities":[{"id":"a"}]}`, JSON_TYPE, 400, 'INVALID_REQUEST'],
    ['a config nested 200 levels in the query', `${UPDATE}&config=${encodeURIComponent(nested(200))}`, 'id\na\n', CSV, 400, 'INVALID_REQUEST'],
    ['brackets without end', '/bulk-actions', '['.repeat(190_000), JSON_TYPE, 400, 'INVALID_REQUEST'],
    ['a lone surrogate as id', '/bulk-actions', action('{"id":"\\ud800"}'), JSON_TYPE, 400, 'INVALID_REQUEST'],
    ['a repeated key', '/bulk-actions', '{"actionType":"update","dryRun":true,"dryRun":false,"entities":[{"id":"a"}]}', JSON_TYPE, 400, 'INVALID_REQUEST'],
    ['garbage as br', '/bulk-actions', 'garbage', { ...JSON_TYPE, 'content-encoding': 'br' }, 415, 'UNSUPPORTED_MEDIA_TYPE'],
    ['br', '/bulk-actions', brotliCompressSync('{}'), { ...JSON_TYPE, 'content-encoding': 'br' }, 415, 'UNSUPPORTED_MEDIA_TYPE'],
    ['garbage as deflate', '/bulk-actions', 'garbage', { ...JSON_TYPE, 'content-encoding': 'deflate' }, 415, 'UNSUPPORTED_MEDIA_TYPE'],
    ['garbage as gzip', '/bulk-actions', 'garbage', { ...JSON_TYPE, ...GZIP }, 400, 'INVALID_GZIP'],
    ['an unknown encoding', '/bulk-actions', '{}', { ...JSON_TYPE, 'content-encoding': '__proto__' }, 415, 'UNSUPPORTED_MEDIA_TYPE'],
    ['half of a gzip', '/bulk-actions', gzipSync('{"a":1}').subarray(0, 12), { ...JSON_TYPE, ...GZIP }, 400, 'INVALID_GZIP'],
    ['16 MiB of entities in 16 KB', '/bulk-actions', gzipSync(`{"entities":[${'{},'.repeat(5_600_000)}`), { ...JSON_TYPE, ...GZIP }, 413, 'PAYLOAD_TOO_LARGE'],
    ['empty lines without end in NDJSON', UPDATE, gzipSync('\n'.repeat(4_000_000)), { ...NDJSON, ...GZIP }, 400, 'INVALID_REQUEST'],
    ['empty lines without end in CSV', UPDATE, gzipSync(`id\n${'\n'.repeat(4_000_000)}`), { ...CSV, ...GZIP }, 400, 'INVALID_REQUEST'],
    ['rows of delimiters in CSV', UPDATE, `id,lastName\n${',\n'.repeat(100_000)}`, CSV, 400, 'INVALID_REQUEST'],
    ['rows that a thousandth of their bytes hold', UPDATE, gzipSync(`{"id":"a"}${' '.repeat(30_000)}\n`.repeat(1_000)), { ...NDJSON, ...GZIP }, 413, 'PAYLOAD_TOO_LARGE'],
  ])('with %s is refused with 4xx and leaves nothing behind', async (_what, path, body, headers, status, expected) => {
    const before = await harness.traces();
    const answer = await harness.upload(path, body, headers);
    expect(code(answer)).toEqual([status, expected]);
    expect(await harness.traces()).toEqual(before);
  }); // prettier-ignore

  it('for an upload beyond the upload limit is refused with 429 or 503 until an upload ends', async () => {
    const rows = entitiesOf(300).map((entity) => `${JSON.stringify(entity)}\n`).join(''); // prettier-ignore
    const mine = startRequest(UPDATE, { ...NDJSON, 'x-account-id': 'acme' }, rows);
    await eventually('it is staged', async () => (await staging()) === 1);
    expect(code(await harness.upload(UPDATE, rows, NDJSON))).toEqual([429, 'ACCOUNT_TOO_BUSY']);
    const others = startRequest(UPDATE, { ...NDJSON, 'x-account-id': 'other' }, rows);
    await eventually('both are staged', async () => (await staging()) === 2);
    const third = await harness.upload(UPDATE, rows, { ...NDJSON, 'x-account-id': 'third' });
    expect(code(third)).toEqual([503, 'TOO_BUSY']);
    expect(third.headers.get('retry-after')).toBe('1');
    mine.destroy();
    others.destroy();
    await eventually('a place', async () => (await harness.upload(UPDATE, rows, NDJSON)).status === 202);
  });

  it('whose client disconnected is dropped although its whole body had arrived (G1)', async () => {
    const before = await harness.traces();
    const rows = gzipSync('{"id":"c1","lastName":"Miller"}\n'.repeat(250_000));
    expect(rows.length).toBeLessThan(30_000);
    const sent = startRequest(UPDATE, { ...NDJSON, ...GZIP, 'x-account-id': 'acme' }, rows);
    sent.end();
    await eventually('it is staged', async () => (await staging()) === 1);
    const total = await harness.database.stagedBatches.countDocuments({});
    sent.destroy();
    await eventually('it is discarded', async () => (await staging()) === 0);
    expect(await harness.traces()).toEqual(before);
    expect(total).toBeLessThan(25_000);
  });

  it('with large entities has batches staged before they are full, to stay within its memory limit', async () => {
    const rows = Array.from(
      { length: 20 },
      (_, i) => `{"id":"big${i}","lastName":"${'x'.repeat(30_000)}"}\n`,
    );
    const sent = startRequest(UPDATE, { ...NDJSON, 'x-account-id': 'acme' }, rows.join(''));
    await eventually('nearly all is staged', async () => {
      const action = await harness.database.actions.findOne({ status: 'staging' });
      const batches = await harness.database.stagedBatches.find({ actionId: action?._id ?? '' }).toArray();
      return batches.reduce((sum, { entities }) => sum + entities.length, 0) >= 17;
    });
    sent.end();
    await eventually('it is accepted', async () => {
      const found = await harness.database.actions.findOne({ total: 20 });
      return found !== null && found.status !== 'staging';
    });
  });

  it('with a JSON body beyond the memory limit is refused with 429 or 503 until there is room', async () => {
    const narrow = await harness.start({
      BODIES_IN_FLIGHT_BYTES: '300000',
      BODIES_IN_FLIGHT_ACCOUNT_BYTES: '150000',
    });
    const part = `{"actionType":"update","entities":[${'{"id":"a","lastName":"A"},'.repeat(800)}"${'x'.repeat(90_000)}`;
    const body = `${part}"]}`;
    const full = async (account: string): Promise<Answer | undefined> => {
      const answer = await harness.upload('/bulk-actions', body, { ...JSON_TYPE, 'x-account-id': account });
      return answer.status === 400 ? undefined : answer;
    };
    /**
     * Holds the room of a body until `probed` is refused. A probe that comes first may cause the
     * body to be refused instead.
     */
    const hold = async (account: string, probed: string): Promise<{ sent: ClientRequest; refused: Answer }> =>
      eventually(`${account} holds its room`, async () => {
        const sent = startRequest('/bulk-actions', { ...JSON_TYPE, 'x-account-id': account }, part);
        const over = new AbortController();
        sent.once('response', () => over.abort()).once('close', () => over.abort());
        while (!over.signal.aborted) {
          const refused = await full(probed);
          if (refused !== undefined) return { sent, refused };
        }
        sent.destroy();
        return undefined;
      });
    const { sent: mine, refused: own } = await hold('acme', 'acme');
    expect(code(own)).toEqual([429, 'ACCOUNT_TOO_BUSY']);
    expect(own.headers.get('retry-after')).toBe('1');
    const { sent: others, refused: all } = await hold('other', 'third');
    expect(code(all)).toEqual([503, 'TOO_BUSY']);
    expect(all.headers.get('retry-after')).toBe('1');
    mine.destroy();
    others.destroy();
    await eventually('there is room', async () => (await full('acme')) === undefined);
    await narrow.stop();
  });
});
