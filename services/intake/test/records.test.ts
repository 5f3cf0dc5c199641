import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { contact } from '@bulk/action-types';
import { entityKey, ensureIndexes, type EntityDocument } from '@bulk/mongo';
import { BreakableLink, eventually, TopicReader } from '@bulk/testing';
import { csvEntities } from '@bulk/uploads';
import { incompleteRecordsText } from '../src/records/record-export.ts';
import { IntakeHarness, positionsOf, type Answer } from './harness.ts';

let harness: IntakeHarness;
let progress: TopicReader;

const CITIES = ['Bonn', 'Köln', 'Berlin'];
const SMALL = 30;
const MANY = 20_000;
const AT = Date.parse('2026-01-01T00:00:00Z');

/** The record at a place of an account, as handler would have written it. */
function recordAt(accountId: string, i: number): EntityDocument {
  const id = `c-${String(i).padStart(6, '0')}`;
  return {
    _id: entityKey(accountId, id),
    accountId,
    id,
    version: 1 + (i % 3),
    createdAt: new Date(AT),
    updatedAt: new Date(AT + (i % 10) * 1_000),
    lastName: `Name ${i}`,
    ownerId: `user-${i % 5}`,
    city: CITIES[i % 3],
    tags: i % 2 === 0 ? ['vip', 'a,b "c"'] : [],
    ...(i % 4 === 0 ? {} : { score: i % 100 }),
  };
}

const contacts = () => harness.database.entities('contacts');
const insert = (documents: readonly EntityDocument[]) => contacts().insertMany([...documents]);

beforeAll(async () => {
  harness = await IntakeHarness.create();
  await ensureIndexes(harness.database, [contact]);
  const { kafka, topics } = harness.installation;
  progress = await TopicReader.open(kafka, [topics.progress]);
  harness.installation.onDispose(() => progress.close());
  const all = Array.from({ length: SMALL }, (_, i) => recordAt('acme', i));
  const gone = { ...recordAt('acme', SMALL), deletedAt: new Date(AT) };
  const evil = {
    ...recordAt('acme', SMALL + 1),
    ownerId: 'user-9',
    city: undefined,
    lastName: '=1+1',
    phone: '+49 228 1',
  };
  await insert([...all, gone, evil, recordAt('other', 1), { ...recordAt('acme-2', 1), ownerId: 'user-1' }]);
  await harness.start({
    MAX_ENTITIES: String(MANY),
    FILTER_READS_IN_FLIGHT_ACCOUNT: '2',
    WEBHOOK_SECRET: 'a master secret of this installation',
  });
});
afterAll(() => harness.installation.dispose());

const act = (filter: unknown, extra: object = {}, headers: Record<string, string> = {}): Promise<Answer> =>
  harness.post({ actionType: 'update', config: { set: { city: 'Ulm' } }, filter, ...extra }, headers);
const idOf = ({ body }: Answer): string => String(body.data?.['actionId']);

async function stagedIds(answer: Answer): Promise<string[]> {
  const published = await harness.awaitPublished(idOf(answer), 1);
  const total = Number(answer.body.data?.['total']);
  const all = await eventually('all batches', async () => {
    const now = await harness.published(idOf(answer));
    return positionsOf(now).length === total ? now : undefined;
  });
  expect(published.length).toBeGreaterThan(0);
  return all
    .flatMap(({ batch }) => batch.entities)
    .sort((a, b) => a.position - b.position)
    .map(({ id }) => id);
}

const list = (query: Record<string, string>): Promise<Answer> =>
  harness.get(`/entities/contact?${new URLSearchParams(query).toString()}`);

describe('an action with a filter', () => {
  it('stages the living records of the account that match, in the order of their ids', async () => {
    const filter = { ownerId: 'user-1', score: { exists: true, lt: 20 } };
    const answer = await act(filter, { dryRun: true });
    expect(answer.status).toBe(202);
    const expected = [1, 6, 11].map((i) => `c-${String(i).padStart(6, '0')}`);
    expect(answer.body.data).toMatchObject({
      total: expected.length,
      filter,
      filterPlan: { indexed: true, examined: 6 },
      dryRun: true,
    });
    expect(await stagedIds(answer)).toEqual(expected);
    const { body } = await harness.get(`/bulk-actions/${idOf(answer)}`);
    expect(body.data).toMatchObject({ filter, filterPlan: { indexed: true, examined: 6 } });
  });

  it.each<[string, object, (i: number) => boolean, boolean]>([
    ['a start of the id', { id: { startsWith: 'c-00001' } }, (i) => i >= 10 && i < 20, true],
    ['a set of ids', { id: { in: ['c-000003', 'c-000001', 'nobody'] } }, (i) => i === 1 || i === 3, true],
    ['an element of a list', { tags: { contains: 'vip' }, city: 'Bonn' }, (i) => i % 6 === 0, false],
    ['an absent field', { score: null, lastName: { ne: '=1+1' } }, (i) => i % 4 === 0, false],
    [
      'values or absence',
      { score: { in: [1, null] }, city: { exists: true } },
      (i) => i % 4 === 0 || i === 1,
      false,
    ],
    [
      'times and versions',
      { updatedAt: { gte: '2026-01-01T00:00:08Z' }, version: 2 },
      (i) => i % 10 >= 8 && i % 3 === 1,
      false,
    ],
    [
      'texts beyond ASCII',
      { city: { startsWith: 'Kö' }, ownerId: { gte: 'user-3', lt: 'user-5' } },
      (i) => i % 3 === 1 && i % 5 >= 3,
      true,
    ],
  ])('matches by %s', async (_, filter, matches, indexed) => {
    // prettier-ignore
    const expected = Array.from({ length: SMALL }, (_one, i) => i).filter(matches);
    const { body } = await list({ filter: JSON.stringify(filter) });
    const found = body.data as unknown as { id: string }[];
    expect(found.map(({ id }) => Number(id.slice(2)))).toEqual(expected);
    const answer = await act(filter, { dryRun: true });
    const examined = expect.any(Number);
    expect(answer.body.data).toMatchObject({ total: expected.length, filterPlan: { indexed, examined } });
    const { filterPlan } = answer.body.data as { filterPlan: { examined: number } };
    // 30 living records, a deleted one, and the one with a formula.
    if (!indexed) expect(filterPlan.examined).toBe(SMALL + 2);
  });

  it('gives the same action for the same key without reading the records again', async () => {
    const key = { 'idempotency-key': 'filter-1' };
    const first = await act({ city: 'Köln' }, {}, key);
    await insert([recordAt('acme', 40)]);
    const again = await act({ city: 'Köln' }, {}, key);
    await contacts().deleteOne({ _id: 'acme:c-000040' });
    expect(again.headers.get('idempotency-replayed')).toBe('true');
    expect([idOf(again), again.body.data?.['total']]).toEqual([idOf(first), 10]);
    const other = await act({ city: 'Bonn' }, {}, key);
    expect([other.status, other.body.error?.code]).toEqual([409, 'IDEMPOTENCY_KEY_REUSED']);
  });

  it('is completed at once when nothing matches, and the account is notified', async () => {
    const url = 'https://example.com/hook';
    const nothing = { ownerId: 'nobody' };
    const answer = await act(nothing, { callbackUrl: url, scheduledFor: '2027-01-01T00:00:00Z' });
    expect(answer.status).toBe(202);
    const done = { status: 'completed', total: 0, processed: 0, percent: 100, filterPlan: { indexed: true, examined: 0 } };
    expect(answer.body.data).toMatchObject({ ...done, finishedAt: expect.any(String) });
    const path = `/bulk-actions/${idOf(answer)}`;
    expect((await harness.get(path)).body.data).toMatchObject(done);
    expect((await harness.get(`${path}/stats`)).body.data).toMatchObject({ status: 'completed', total: 0 });
    expect((await harness.get(`${path}/logs?after=0`)).body).toMatchObject({ data: [], pagination: { total: 0, more: false } });
    const results = await fetch(`${harness.url}${path}/results.csv?include=input`, { headers: { 'x-account-id': 'acme' } });
    expect([results.status, await results.text()]).toEqual([200, expect.stringMatching(/^id,_row,[\w,]+\n$/u)]);
    expect((await harness.send('POST', `${path}/retry`)).body.error?.code).toBe('NOTHING_TO_RETRY');
    // The notifier finds the webhook by its status, and the first positions are released like those of any other.
    const stored = await harness.database.actions.findOne({ _id: idOf(answer) });
    expect(stored).toMatchObject({ status: 'completed', batchCount: 0, dispatch: { done: true, lease: null } });
    expect(stored?.callback?.dueAt).toBeInstanceOf(Date);
    expect(stored?.dispatch.dueAt).toBeUndefined();

    await eventually('the progress topic says so', () => {
      const values = progress.messages.filter(({ message }) => message.key?.toString() === idOf(answer));
      return values.length > 0 || undefined;
    });

    const refused = await act(nothing, { failOnEmpty: true });
    expect([refused.status, refused.body.error?.code]).toEqual([422, 'FILTER_MATCHES_NOTHING']);
    expect(await harness.database.actions.countDocuments({ status: 'staging' })).toBe(0);
  }); // prettier-ignore

  it.each<[string, string, string]>([
    ['a program as a condition', '{"$where":"sleep(100)"}', 'filter.$where'],
    ['an operator of MongoDB', '{"lastName":{"$ne":null}}', 'filter.lastName.$ne'],
    ['an operator below an operator', '{"lastName":{"eq":{"$gt":""}}}', 'filter.lastName.eq'],
    ['an operator in a list', '{"lastName":{"in":[{"$regex":".*"}]}}', 'filter.lastName.in[0]'],
    ['a combination of filters', '{"$or":[{"ownerId":"user-1"}]}', 'filter.$or'],
    ['a prototype', '{"__proto__":{"ownerId":"user-1"}}', 'filter.__proto__'],
    ['a prototype as an operator', '{"ownerId":{"__proto__":"user-1"}}', 'filter.ownerId.__proto__'],
    ['another account', '{"accountId":"other"}', 'filter.accountId'],
    ['a key of MongoDB', '{"_id":{"in":["other:c-000001"]}}', 'filter._id'],
    ['a path', '{"applied.0":1}', 'filter.applied.0'],
    ['no condition', '{}', 'filter'],
    ['a list', '[]', 'filter'],
    ['null', 'null', 'filter'],
    ['a number that a double does not hold', '{"score":9007199254740993}', 'filter.score'],
  ])('is refused if its filter has %s', async (_, filter, field) => {
    const body = `{"actionType":"delete","filter":${filter}}`;
    const { status, body: answer } = await harness.post(body);
    expect([status, answer.error?.code]).toEqual([400, 'INVALID_REQUEST']);
    expect(answer.error?.details?.map((issue) => issue.field)).toContain(field);
    if (filter === '{}' || filter === 'null') return;
    const listed = await list({ filter });
    expect([listed.status, listed.body.error?.details?.[0]?.field]).toEqual([400, field]);
  });

  it('never matches records of another account, whatever the ids are', async () => {
    for (const filter of [
      { id: { startsWith: '-2:' } },
      { id: { in: ['../other:c-000001', 'other:c-000001'] } },
      { id: { gt: '\u{10ffff}' } },
      { id: { lt: '!' } },
    ])
      expect((await list({ filter: JSON.stringify(filter) })).body.data).toEqual([]);
    const everything = await list({ filter: '{"id":{"exists":true}}', limit: '1000' });
    expect(everything.body.data).toHaveLength(SMALL + 1);
  });

  it('is refused if it has entities too, or its type changes no existing entities', async () => {
    const filter = { ownerId: 'user-1' };
    const fields = ({ status, body }: Answer) => [status, body.error?.details?.map(({ field }) => field)];
    expect(fields(await act(filter, { entities: [{ id: 'c-000001' }] }))).toEqual([400, ['filter']]);
    for (const actionType of ['create', 'upsert'])
      expect(fields(await harness.post({ actionType, filter, config: {} }))).toEqual([400, ['filter']]);
    expect(fields(await harness.post({ actionType: 'delete', failOnEmpty: true, entities: [{ id: '1' }] }))).toEqual([400, ['failOnEmpty']]); // prettier-ignore
    expect(fields(await harness.post({ actionType: 'delete' }))).toEqual([400, ['entities']]);
  });

  it('over many records is staged with flat memory, and refused beyond the limit', async () => {
    for (let i = 0; i < MANY; i += 10_000) {
      await insert(Array.from({ length: 10_000 }, (_, j) => recordAt('big', i + j)));
    }
    const headers = { 'x-account-id': 'big' };
    let highest = 0;
    const before = process.memoryUsage().heapUsed;
    const watch = setInterval(() => (highest = Math.max(highest, process.memoryUsage().heapUsed)), 20);
    const answer = await harness.post({ actionType: 'delete', dryRun: true, scheduledFor: '2027-01-01T00:00:00Z', filter: { city: { exists: true } } }, headers); // prettier-ignore
    clearInterval(watch);
    expect(answer.body.data).toMatchObject({ total: MANY, filterPlan: { indexed: false, examined: MANY } });
    expect(highest - before).toBeLessThan(100_000_000);
    await insert([recordAt('big', MANY)]);
    const refused = await harness.post({ actionType: 'delete', filter: { id: { exists: true } } }, headers);
    expect([refused.status, refused.body.error?.details?.[0]?.field]).toEqual([400, 'filter']);
    expect(await harness.database.actions.countDocuments({ accountId: 'big' })).toBe(1);
  }, 120_000);
});

describe('the records of an account', () => {
  it('are shown one by one with their versions', async () => {
    const { body } = await harness.get('/entities/contact/c-000001');
    expect(body.data).toEqual({
      id: 'c-000001', version: 2, createdAt: new Date(AT).toISOString(), updatedAt: new Date(AT + 1_000).toISOString(),
      lastName: 'Name 1', ownerId: 'user-1', city: 'Köln', tags: [], score: 1,
    }); // prettier-ignore
    for (const id of ['c-000030', 'nobody', 'c-000001%2F']) {
      const { status, body: missing } = await harness.get(`/entities/contact/${id}`);
      expect([status, missing.error?.code]).toEqual([404, 'ENTITY_NOT_FOUND']);
    }
    const { status, body: unknown } = await harness.get('/entities/planet/x');
    expect([status, unknown.error?.code]).toEqual([400, 'UNKNOWN_ENTITY_TYPE']);
  });

  it.each(['id', '-id', 'createdAt', '-createdAt', 'updatedAt', '-updatedAt'])(
    'are listed completely and once in the order of %s, page by page',
    async (sort) => {
      // Other programs may add records without times.
      const timeless = { ...recordAt('acme', 50), updatedAt: undefined } as unknown as EntityDocument;
      await insert([timeless]);
      const found: { id: string; updatedAt: string | null; createdAt: string | null }[] = [];
      let after: string | undefined;
      do {
        const { body } = await list({ sort, limit: '7', ...(after === undefined ? {} : { after }) });
        found.push(...(body.data as unknown as typeof found));
        after = (body.pagination as unknown as { next: string | null }).next ?? undefined;
      } while (after !== undefined);
      await contacts().deleteOne({ _id: timeless._id });
      expect(found).toHaveLength(SMALL + 2);
      expect(new Set(found.map(({ id }) => id)).size).toBe(SMALL + 2);
      const by = sort.replace('-', '') as 'id' | 'createdAt' | 'updatedAt';
      const keys = found.map((record) => `${record[by] ?? ''} ${record.id}`);
      const sorted = [...keys].sort();
      expect(keys).toEqual(sort.startsWith('-') ? sorted.reverse() : sorted);
    },
  );

  it.each([
    ['sort', { sort: 'city' }],
    ['limit', { limit: '1001' }],
    ['after', { after: 'x' }],
    ['after', { after: Buffer.from('["-id",null,"c-1"]').toString('base64url') }],
    ['filter', { filter: '{"city":' }],
    ['where', { where: '1' }],
  ])('are refused with the name of the parameter %s if it is invalid', async (field, query) => {
    const { status, body } = await list(query);
    expect([status, body.error?.details?.[0]?.field]).toEqual([400, field]);
  });

  it('are exported as a CSV that an upload reads as the same values', async () => {
    const filter = encodeURIComponent('{"id":{"exists":true}}');
    const response = await fetch(
      `${harness.url}/entities/contact/export.csv?exact=true&fields=expectedVersion,lastName,tags,score,phone&filter=${filter}`,
      { headers: { 'x-account-id': 'acme' } },
    );
    const text = await response.text();
    expect(response.headers.get('content-disposition')).toBe('attachment; filename="contact.csv"');
    expect(text.split('\n').slice(0, 2)).toEqual([
      'id,expectedVersion,lastName,tags,score,phone',
      'c-000000,1,Name 0,"[""vip"",""a,b \\""c\\""""]",,',
    ]);
    const rows: unknown[] = [];
    const options = { delimiter: undefined, charset: undefined, entityType: contact, maxRowBytes: 10_000, maxEmptyLines: 1, invalidRows: 'refuse' as const, unknownColumns: () => [] };
    for await (const row of csvEntities(chunks(text), options)) rows.push(row);
    const expected = [...Array.from({ length: SMALL }, (_, i) => recordAt('acme', i)), { ...recordAt('acme', SMALL + 1), lastName: '=1+1', phone: '+49 228 1' }];
    expect(rows).toEqual(
      expected.map(({ id, version, lastName, tags, score, phone }: Record<string, unknown>) => ({ id, expectedVersion: version, lastName, tags, score, phone })),
    );
  }); // prettier-ignore

  it('come back unchanged from an export for spreadsheets by an upload that says so', async () => {
    const text = await (
      await fetch(`${harness.url}/entities/contact/export.csv?fields=lastName,tags,phone`, { headers: { 'x-account-id': 'acme' } })
    ).text();
    const answer = await harness.upload('/bulk-actions?actionType=update&escaped=true', text, { 'content-type': 'text/csv' });
    expect(answer.status).toBe(202);
    const evil = await eventually('the row with the formula', async () =>
      (await harness.published(idOf(answer))).flatMap(({ batch }) => batch.entities).find(({ id }) => id === 'c-000031'),
    );
    expect(JSON.parse(evil.fields)).toEqual({ lastName: '=1+1', phone: '+49 228 1', tags: [] });
  }); // prettier-ignore

  it('are exported safely for spreadsheets by default, and as NDJSON without absent fields', async () => {
    const filter = encodeURIComponent('{"ownerId":"user-9"}');
    const get = async (path: string) =>
      (
        await fetch(`${harness.url}/entities/contact/${path}`, { headers: { 'x-account-id': 'acme' } })
      ).text();
    expect(await get(`export.csv?fields=lastName,phone&filter=${filter}`)).toBe(
      "id,lastName,phone\nc-000031,'=1+1,'+49 228 1\n",
    );
    expect(await get(`export.ndjson?fields=expectedVersion,city,phone&filter=${filter}`)).toBe(
      '{"id":"c-000031","expectedVersion":2,"phone":"+49 228 1"}\n',
    );
    expect((await get('export.csv')).split('\n')).toHaveLength(SMALL + 3);
    const { status, body } = await harness.get('/entities/contact/export.csv?fields=city,shoeSize,city');
    expect([status, body.error?.details?.map(({ field }) => field)]).toEqual([
      400,
      ['fields[1]', 'fields[2]'],
    ]);
  });

  it('are read for longer than other operations wait, until the client leaves', async () => {
    const earlier = harness.url;
    const { hostname, port } = new URL(harness.config().MONGODB_URI);
    const link = await BreakableLink.to(hostname, Number(port));
    harness.installation.onDispose(() => link.close());
    await harness.start({
      MONGODB_URI: `mongodb://127.0.0.1:${link.port}/?directConnection=true`,
      MONGODB_TIMEOUT_MS: '1000',
      FILTER_READS_IN_FLIGHT_ACCOUNT: '1',
      WEBHOOK_SECRET: 'a master secret of this installation',
    });
    const { url } = harness;
    expect((await list({ limit: '1' })).status).toBe(200);
    link.delay(800);
    expect((await list({ limit: '1' })).status).toBe(200);
    link.delay(8_000);
    const left = AbortSignal.timeout(300);
    const headers = { 'x-account-id': 'acme' };
    await expect(fetch(`${url}/entities/contact`, { headers, signal: left })).rejects.toThrow();
    link.delay(0);
    const leftAt = performance.now();
    await eventually('there is room again', async () => (await list({ limit: '1' })).status === 200);
    expect(performance.now() - leftAt).toBeLessThan(5_000);
    harness.url = earlier;
  }, 60_000);

  it('are not taken from the beginning of an export, and nothing is staged', async () => {
    const before = await harness.database.actions.countDocuments({});
    const error = { code: 'SERVICE_STOPPING', message: 'it stops' };
    for (const [format, rows, type] of [
      ['csv', 'id,lastName\nc-000001,Ada\n', 'text/csv'],
      ['ndjson', '{"id":"c-000001","lastName":"Ada"}\n', 'application/x-ndjson'],
    ] as const) {
      const text = `${rows}${incompleteRecordsText(error, format, ['id', 'lastName'])}`;
      const answer = await harness.upload('/bulk-actions?actionType=update', text, { 'content-type': type });
      expect([answer.status, answer.body.error?.code]).toEqual([400, 'INVALID_ROW']);
    }
    expect(await harness.database.actions.countDocuments({})).toBe(before);
  });

  it('are read by a bounded number of requests of an account at once', async () => {
    const headers = { 'x-account-id': 'big' };
    for (let i = 0; i < 3; i += 1) {
      const head = await fetch(`${harness.url}/entities/contact/export.csv`, { method: 'HEAD', headers });
      expect(head.status).toBe(200);
    }
    const open = await Promise.all(
      [1, 2].map(() => fetch(`${harness.url}/entities/contact/export.csv`, { headers })),
    );
    const refused = await harness.get('/entities/contact?limit=1', headers);
    expect([refused.status, refused.body.error?.code]).toEqual([429, 'ACCOUNT_TOO_BUSY']);
    for (const response of open) await response.body?.cancel();
    await eventually('there is room again', async () => {
      return (await harness.get('/entities/contact?limit=1', headers)).status === 200;
    });
  });
});

async function* chunks(text: string): AsyncGenerator<Buffer> {
  yield await Promise.resolve(Buffer.from(text));
}
