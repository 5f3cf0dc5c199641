import { request as httpRequest } from 'node:http';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '@bulk/testing';
import { entitiesOf, IntakeHarness, positionsOf, type Answer } from './harness.ts';

let harness: IntakeHarness;
beforeAll(async () => {
  harness = await IntakeHarness.create();
  await harness.start({ UPLOAD_LIMIT_BYTES: '100000', COLUMN_MAPPINGS_ACCOUNT: '3' });
});
afterAll(() => harness.installation.dispose());

const CSV = { 'content-type': 'text/csv' };
const NDJSON = { 'content-type': 'application/x-ndjson' };
const GZIP = { 'content-encoding': 'gzip' };
const upload = (query: string, body: string | Buffer, headers: Record<string, string>): Promise<Answer> =>
  harness.upload(`/bulk-actions?${query}`, body, headers);

const csvOf = (size: number): string =>
  `id,lastName\n${entitiesOf(size)
    .map(({ id, lastName }) => `${id},${lastName}\n`)
    .join('')}`;
/** More than the limit of a body, in fewer rows and lines than allowed. */
const LARGE = `${csvOf(10)}${`c,${'x'.repeat(1_000)}\n`.repeat(110)}`;
const ndjsonOf = (size: number): string =>
  entitiesOf(size)
    .map((entity) => `${JSON.stringify(entity)}\n`)
    .join('');

describe('an upload', () => {
  it.each([
    ['CSV', csvOf(95), CSV],
    ['NDJSON', ndjsonOf(95), NDJSON],
    ['gzipped CSV', gzipSync(csvOf(95)), { ...CSV, ...GZIP }],
    ['gzipped NDJSON', gzipSync(ndjsonOf(95)), { ...NDJSON, ...GZIP }],
    ['CSV with a charset', csvOf(95), { 'content-type': 'text/csv; charset=utf-8' }],
  ])('creates the same action from %s as from JSON', async (_what, body, headers) => {
    const config = encodeURIComponent(JSON.stringify({ set: { ownerId: 'u7' } }));
    const retry = encodeURIComponent(JSON.stringify({ maxAttempts: 7 }));
    const query = `actionType=update&entityType=lead&priority=high&dryRun=true&config=${config}&retry=${retry}`;
    const { status, body: answer } = await upload(query, body, headers);
    expect(status).toBe(202);
    expect(answer.data).toMatchObject({
      accountId: 'acme',
      actionType: 'update',
      entityType: 'lead',
      priority: 'high',
      dryRun: true,
      config: { set: { ownerId: 'u7' } },
      retry: { maxAttempts: 7 },
      total: 95,
    });
    const actionId = String(answer.data?.['actionId']);
    const published = await eventually('all positions', async () => {
      const batches = await harness.published(actionId);
      return positionsOf(batches).length >= 95 ? batches : undefined;
    });
    const entities = published
      .flatMap(({ batch }) => batch.entities)
      .sort((a, b) => a.position - b.position)
      .map(({ id, fields }) => ({ id, ...(JSON.parse(fields) as object) }));
    expect(entities).toEqual(entitiesOf(95));
    expect(published.every(({ batch }) => batch.dryRun && batch.retry?.maxAttempts === 7)).toBe(true);
  });

  it('accepts another delimiter and keeps the caller’s row identity', async () => {
    const { body } = await upload('actionType=update&delimiter=semicolon', 'id;ref;score\nc1;row 1;7\n', CSV);
    const published = await eventually('it is published', async () => {
      const batches = await harness.published(String(body.data?.['actionId']));
      return batches.length > 0 ? batches : undefined;
    });
    expect(published[0]?.batch.entities).toEqual([
      { position: 0, id: 'c1', ref: 'row 1', fields: '{"score":7}', fault: null, origin: null },
    ]);
  });

  const MUELLER = [
    { id: 'kd-ä7', lastName: 'Müller' },
    { id: 'kd-ö7', lastName: 'Schröder' },
    { id: 'kd-ü7', lastName: 'Grüne – €' },
  ];
  const rowsOf = (end: string, ...before: string[]): string =>
    [...before, 'id;lastName', ...MUELLER.map(({ id, lastName }) => `${id};${lastName}`)].join(end);
  const latin = Buffer.from(rowsOf('\r\n').replaceAll('–', '\x96').replaceAll('€', '\x80'), 'latin1');
  it.each([
    ['declared as Windows-1252', latin, 'text/csv; charset=windows-1252'],
    ['in UTF-16 with a byte order mark', Buffer.from(`\ufeff${rowsOf('\r')}`, 'utf16le'), 'text/csv'],
    ['with a line sep=;', rowsOf('\n', 'sep=;'), 'text/csv; charset=utf-8'],
    ['with a semicolon and a byte order mark', `\ufeff${rowsOf('\r\n')}`, 'text/csv'],
    [
      'of two gzip members',
      Buffer.concat([gzipSync('id;lastName\n'), gzipSync(rowsOf('\n').slice(12))]),
      'text/csv',
    ],
  ])('keeps every value: %s', async (what, body, type) => {
    const headers = { 'content-type': type, ...(what.includes('gzip') ? GZIP : {}) };
    const { status, body: answer } = await upload('actionType=update', body, headers);
    expect(status).toBe(202);
    const published = await eventually('all positions', async () => {
      const batches = await harness.published(String(answer.data?.['actionId']));
      return positionsOf(batches).length >= 3 ? batches : undefined;
    });
    const entities = published
      .flatMap(({ batch }) => batch.entities)
      .sort((a, b) => a.position - b.position)
      .map(({ id, fields }) => ({ id, ...(JSON.parse(fields) as object) }));
    expect(entities).toEqual(MUELLER);
  });

  it('may be repeated with its Idempotency-Key', async () => {
    const headers = { ...CSV, 'idempotency-key': 'upload-1' };
    const first = await upload('actionType=update', csvOf(20), headers);
    const again = await upload('actionType=update', csvOf(20), headers);
    expect(again.body.data?.['actionId']).toBe(first.body.data?.['actionId']);
    expect(again.headers.get('idempotency-replayed')).toBe('true');
    for (const [query, body] of [
      ['actionType=update', csvOf(21)],
      ['actionType=update&priority=low', csvOf(20)],
    ] as const) {
      expect((await upload(query, body, headers)).body.error?.code).toBe('IDEMPOTENCY_KEY_REUSED');
    }
  });

  /** The places of an upload that the handler gets, in order, with their faults. */
  const rowsOfUpload = async ({ status, body }: Answer): Promise<unknown[]> => {
    expect([status, body.error]).toEqual([202, undefined]);
    const published = await eventually('all positions', async () => {
      const batches = await harness.published(String(body.data?.['actionId']));
      return positionsOf(batches).length >= Number(body.data?.['total']) ? batches : undefined;
    });
    return published
      .flatMap(({ batch }) => batch.entities)
      .sort((a, b) => a.position - b.position)
      .map(({ id, ref, fields, fault }) =>
        fault ? [id, ref, fault.message] : [id, JSON.parse(fields) as unknown],
      );
  };
  const UPDATE = 'actionType=update';
  const REFUSE = `${UPDATE}&invalidRows=refuse`;
  const COLUMNS = (map: object): string => `${UPDATE}&columns=${encodeURIComponent(JSON.stringify(map))}`;

  it('fails each invalid row at its own position, and only those', async () => {
    const csv = `id,ref,lastName\nc1,r1,A\nc2,r2\n,r3,C\nc4,r4,"D\nE"\nc5,r5,${'x'.repeat(2_100)}\nc6,,F\n`;
    expect(await rowsOfUpload(await upload(UPDATE, csv, CSV))).toEqual([
      ['c1', { lastName: 'A' }],
      ['', null, 'line 3: expected 3 cells, found 2'],
      ['', 'r3', 'line 4, column "id": expected a non-empty string'],
      ['c4', { lastName: 'D\nE' }],
      ['c5', 'r5', expect.stringMatching(/^line 7, column "lastName": expected a row of at most 2000 bytes/)],
      ['c6', { lastName: 'F' }],
    ]);
    const ndjson = `{"id":"c1"}\n{"id":\n{"ref":"r3"}\n{"id":"c4","x":"${'x'.repeat(2_100)}"}\n{"id":"c5"}`;
    expect(await rowsOfUpload(await upload(`${UPDATE}&invalidRows=fail`, ndjson, NDJSON))).toEqual([
      ['c1', {}],
      ['', null, expect.stringMatching(/^line 2: expected one JSON object per line/)],
      ['', 'r3', 'line 3, key "id": expected a non-empty string'],
      ['', null, 'line 4: expected at most 2000 bytes'],
      ['c5', {}],
    ]);
  });

  it('is accepted even if all its rows are invalid, and fails all of them', async () => {
    expect(await rowsOfUpload(await upload(UPDATE, 'id,lastName\n,A\n,B\n', CSV))).toEqual([
      ['', null, 'line 2, column "id": expected a non-empty string'],
      ['', null, 'line 3, column "id": expected a non-empty string'],
    ]);
  });

  it('maps its columns as the caller says, and ignores those that start with an underscore', async () => {
    const map = {
      'Record ID': 'id',
      ' e-mail ADDRESS': 'email',
      'Notes (old)': null,
      Change: 'increment.score',
    };
    const csv =
      '_row,Record ID,E-Mail Address,Notes (old),change,City,_status\n1,c1,a@example.com,"x, y",5,Bonn,failure\n';
    expect(await rowsOfUpload(await upload(COLUMNS(map), csv, CSV))).toEqual([
      ['c1', { email: 'a@example.com', city: 'Bonn', increment: { score: 5 } }],
    ]);
  });

  const REFUSALS: [string, string, string | Buffer, Record<string, string>, number, string, string?][] = [
    ['no action type', '', csvOf(3), CSV, 400, 'INVALID_REQUEST', 'actionType'],
    ['an unknown action type', 'actionType=explode', csvOf(3), CSV, 400, 'UNKNOWN_ACTION_TYPE', 'actionType'],
    ['an unknown entity type', `${UPDATE}&entityType=planet`, csvOf(3), CSV, 400, 'UNKNOWN_ENTITY_TYPE', 'entityType'],
    ['an unknown parameter', `${UPDATE}&dryrun=true`, csvOf(3), CSV, 400, 'INVALID_REQUEST', 'dryrun'],
    ['a retry that is not JSON', `${UPDATE}&retry=3x`, csvOf(3), CSV, 400, 'INVALID_REQUEST', 'retry'],
    ['a dry run that is neither true nor false', `${UPDATE}&dryRun=yes`, csvOf(3), CSV, 400, 'INVALID_REQUEST', 'dryRun'],
    ['a config that is not JSON', `${UPDATE}&config={`, csvOf(3), CSV, 400, 'INVALID_REQUEST', 'config'],
    ['a config that is not an object', `${UPDATE}&config=7`, csvOf(3), CSV, 400, 'INVALID_REQUEST', 'config'],
    ['a bad config', `${UPDATE}&config={"set":{"email":1}}`, csvOf(3), CSV, 400, 'INVALID_CONFIG', 'config.set.email'],
    ['another account', `${UPDATE}&accountId=other`, csvOf(3), CSV, 400, 'ACCOUNT_MISMATCH', 'accountId'],
    ['an unknown delimiter', `${UPDATE}&delimiter=x`, csvOf(3), CSV, 400, 'INVALID_REQUEST', 'delimiter'],
    ['an empty body', UPDATE, '', CSV, 400, 'INVALID_REQUEST', 'entities'],
    ['a header without rows', UPDATE, 'id,lastName\n', CSV, 400, 'INVALID_REQUEST', 'entities'],
    ['an unknown column', UPDATE, 'id,lastnam\nc1,A\n', CSV, 400, 'INVALID_HEADER', 'column 2 "lastnam"'],
    ['bytes that are not UTF-8', UPDATE, Buffer.from('id,lastName\nc1,M\xfcller\n', 'latin1'), CSV, 400, 'INVALID_ENCODING', 'line 2'],
    ['NDJSON that is not UTF-8', UPDATE, Buffer.from('{"id":"c1","lastName":"M\xfcller"}\n', 'latin1'), NDJSON, 400, 'INVALID_ENCODING', 'line 1'],
    ['an unknown charset', UPDATE, csvOf(3), { 'content-type': 'text/csv; charset=klingon' }, 400, 'UNKNOWN_CHARSET', 'content-type'],
    ['zeros between members of a gzip', UPDATE, Buffer.concat([gzipSync(csvOf(3)), Buffer.alloc(10), gzipSync('c9,X\n')]), { ...CSV, ...GZIP }, 400, 'INVALID_GZIP', '(body)'],
    ['text behind a gzip', UPDATE, Buffer.concat([gzipSync(csvOf(3)), Buffer.from('more')]), { ...CSV, ...GZIP }, 400, 'INVALID_GZIP', '(body)'],
    ['a repeated key', REFUSE, '{"id":"c1","score":1,"score":2}\n', NDJSON, 400, 'INVALID_ROW', 'line 1'],
    ['an invalid row near the end', REFUSE, `${csvOf(400)}c401\n`, CSV, 400, 'INVALID_ROW', 'line 402'],
    ['a quote near the end that is not closed', UPDATE, `${csvOf(400)}c401,"A\n`, CSV, 400, 'INVALID_ROW', 'line 402: lastName'],
    ['an unknown way with invalid rows', `${UPDATE}&invalidRows=skip`, csvOf(3), CSV, 400, 'INVALID_REQUEST', 'invalidRows'],
    ['columns that are not JSON', `${UPDATE}&columns={`, csvOf(3), CSV, 400, 'INVALID_REQUEST', 'columns'],
    ['columns that are not an object', `${UPDATE}&columns=["id"]`, csvOf(3), CSV, 400, 'INVALID_REQUEST', 'columns'],
    ['no columns in the map', COLUMNS({}), csvOf(3), CSV, 400, 'INVALID_REQUEST', 'columns'],
    ['a column twice in the map', `${UPDATE}&columns={"a":"id","a":null}`, csvOf(3), CSV, 400, 'INVALID_REQUEST', 'columns'],
    ['a column __proto__ in the map', `${UPDATE}&columns={"__proto__":null}`, csvOf(3), CSV, 400, 'INVALID_REQUEST', 'columns.__proto__'],
    ['a number as the target of a column', COLUMNS({ id: 7 }), csvOf(3), CSV, 400, 'INVALID_REQUEST', 'columns.id'],
    ['a mapping for NDJSON', `${UPDATE}&mapping=contacts`, ndjsonOf(3), NDJSON, 400, 'INVALID_REQUEST', 'mapping'],
    ['both a mapping and columns', `${COLUMNS({ id: 'id' })}&mapping=contacts`, csvOf(3), CSV, 400, 'INVALID_REQUEST', 'mapping'],
    ['an unknown mapping', `${UPDATE}&mapping=none`, csvOf(3), CSV, 422, 'MAPPING_NOT_FOUND', 'mapping'],
    ['a mapping of another entity type', `${UPDATE}&entityType=lead&mapping=contacts`, csvOf(3), CSV, 400, 'INVALID_REQUEST', 'mapping'],
    ['columns for NDJSON', COLUMNS({ id: 'id' }), ndjsonOf(3), NDJSON, 400, 'INVALID_REQUEST', 'columns'],
    ['a map that names no column of the file', COLUMNS({ Surname: 'lastName' }), csvOf(3), CSV, 400, 'INVALID_HEADER', 'columns["Surname"]'],
    ['a map to an unknown field', COLUMNS({ lastName: 'surname' }), csvOf(3), CSV, 400, 'INVALID_HEADER', 'columns["lastName"]'],
    ['two columns for one field', COLUMNS({ Surname: 'lastName' }), 'id,lastName,Surname\nc1,A,B\n', CSV, 400, 'INVALID_HEADER', 'column 3 "Surname"'],
    ['a map that ignores the ids', COLUMNS({ id: null }), csvOf(3), CSV, 400, 'INVALID_HEADER', 'id'],
    ['an invalid line near the end', REFUSE, `${ndjsonOf(400)}{"id":\n`, NDJSON, 400, 'INVALID_ROW', 'line 401'],
    ['too many entities', UPDATE, ndjsonOf(1_001), NDJSON, 400, 'INVALID_REQUEST', 'entities'],
    ['an entity over the limit', REFUSE, `${ndjsonOf(90)}{"id":"${'x'.repeat(2_100)}"}\n`, NDJSON, 400, 'ENTITY_TOO_LARGE', 'line 91'],
    ['a body over the limit', UPDATE, LARGE, CSV, 413, 'PAYLOAD_TOO_LARGE'],
    ['a small body that expands beyond the limit', UPDATE, gzipSync(LARGE), { ...CSV, ...GZIP }, 413, 'PAYLOAD_TOO_LARGE'],
    ['an invalid gzip', UPDATE, csvOf(50), { ...CSV, ...GZIP }, 400, 'INVALID_GZIP', '(body)'],
    ['half of a gzip', UPDATE, gzipSync(csvOf(900)).subarray(0, 2_000), { ...CSV, ...GZIP }, 400, 'INVALID_GZIP', '(body)'],
    ['another encoding', UPDATE, csvOf(3), { ...CSV, 'content-encoding': 'br' }, 415, 'UNSUPPORTED_MEDIA_TYPE'],
  ]; // prettier-ignore

  const CONTACTS = { entityType: 'contact', columns: { 'Record.$ID': 'id', Surname: 'lastName', Old: null } };
  const save = async (name: string, mapping: unknown, account = 'acme'): Promise<Answer> => {
    const response = await fetch(`${harness.url}/column-mappings/${encodeURIComponent(name)}`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json', 'x-account-id': account },
      body: typeof mapping === 'string' ? mapping : JSON.stringify(mapping),
    });
    return {
      status: response.status,
      headers: response.headers,
      body: (await response.json()) as Answer['body'],
    };
  };
  beforeAll(async () => {
    expect((await save('contacts', CONTACTS)).body.data).toMatchObject({ name: 'contacts', ...CONTACTS });
  });

  it('maps its columns as a saved mapping says, until that is replaced', async () => {
    const csv = 'Record.$ID,Surname,Old\nc1,A,x\n';
    const query = `${UPDATE}&mapping=contacts`;
    expect(await rowsOfUpload(await upload(query, csv, CSV))).toEqual([['c1', { lastName: 'A' }]]);
    const replaced = { entityType: 'contact', columns: { 'Record.$ID': 'id', Surname: 'city', Old: null } };
    expect((await save('contacts', replaced)).status).toBe(200);
    expect(await rowsOfUpload(await upload(query, csv, CSV))).toEqual([['c1', { city: 'A' }]]);
    await save('contacts', CONTACTS);
  });

  it('is found by its key again when its mapping was replaced or deleted', async () => {
    const csv = 'Record.$ID,Surname,Old\nc1,A,x\n';
    const send = (body: string, query = `${UPDATE}&mapping=brief`) =>
      upload(query, body, { ...CSV, 'idempotency-key': 'brief-1' });
    await save('brief', CONTACTS);
    const first = await send(csv);
    expect(first.status).toBe(202);
    await save('brief', { entityType: 'contact', columns: { Other: 'id' } });
    for (const replaced of [true, false]) {
      if (!replaced) await harness.send('DELETE', '/column-mappings/brief');
      const again = await send(csv);
      expect([again.headers.get('idempotency-replayed'), again.body.data?.['actionId']]).toEqual([
        'true',
        first.body.data?.['actionId'],
      ]);
    }
    expect((await send(`${csv}c2,B,x\n`)).body.error?.code).toBe('IDEMPOTENCY_KEY_REUSED');
  });

  it('may use only the mappings of its account, which are bounded, listed and deleted by name', async () => {
    const saved = await Promise.all(['b c', 'ä/%2F', 'fourth'].map((name) => save(name, CONTACTS, 'mapper')));
    expect(saved.map(({ status }) => status)).toEqual([200, 200, 200]);
    const refused = await save('fifth', CONTACTS, 'mapper');
    expect([refused.status, refused.body.error?.code]).toEqual([422, 'TOO_MANY_MAPPINGS']);
    expect((await save('fourth', { ...CONTACTS, columns: { Key: 'id' } }, 'mapper')).status).toBe(200);
    const account = { 'x-account-id': 'mapper' };
    const names = async (): Promise<unknown[]> =>
      (await harness.get('/column-mappings', account)).body.data as unknown as unknown[];
    expect(await names()).toMatchObject([
      { name: 'b c' },
      { name: 'fourth', columns: { Key: 'id' } },
      { name: 'ä/%2F' },
    ]);
    const path = `/column-mappings/${encodeURIComponent('ä/%2F')}`;
    expect((await harness.get(path, account)).body.data).toMatchObject({ name: 'ä/%2F', ...CONTACTS });
    for (const status of [200, 404])
      expect((await harness.send('DELETE', path, account)).status).toBe(status);
    expect((await harness.get(path, account)).body.error?.code).toBe('MAPPING_NOT_FOUND');
    expect((await harness.get('/column-mappings/fourth')).status).toBe(404);
    expect(await names()).toHaveLength(2);
    expect((await save('fifth', CONTACTS, 'mapper')).status).toBe(200);
  });

  it.each<[string, string, unknown, string, string]>([
    ['a name with a line break', 'a\nb', CONTACTS, 'INVALID_REQUEST', 'name'],
    ['a name that is too long', 'x'.repeat(65), CONTACTS, 'INVALID_REQUEST', 'name'],
    ['no JSON', 'a', '{', 'INVALID_JSON', '(body)'],
    ['no columns', 'a', { entityType: 'contact' }, 'INVALID_REQUEST', 'columns'],
    ['an unknown key', 'a', { ...CONTACTS, entities: [] }, 'INVALID_REQUEST', 'entities'],
    ['an unknown entity type', 'a', { ...CONTACTS, entityType: 'planet' }, 'UNKNOWN_ENTITY_TYPE', 'entityType'],
    ['an unknown target', 'a', { ...CONTACTS, columns: { Mail: 'mail' } }, 'INVALID_REQUEST', 'columns["Mail"]'],
    ['a column of our results', 'a', { ...CONTACTS, columns: { ' _id': 'id' } }, 'INVALID_REQUEST', 'columns[" _id"]'],
    ['a target twice', 'a', { ...CONTACTS, columns: { A: 'email', B: 'email' } }, 'INVALID_REQUEST', 'columns["B"]'],
    ['too many bytes', 'a', { ...CONTACTS, columns: Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`${'x'.repeat(200)}${i}`, null])) }, 'INVALID_REQUEST', 'columns'],
  ])('cannot have a mapping saved for it with %s', async (_what, name, mapping, code, field) => {
    const { status, body } = await save(name, mapping);
    expect([status, body.error?.code, body.error?.details?.map((issue) => issue.field)]).toEqual([
      400, code, expect.arrayContaining([field]),
    ]);
  }); // prettier-ignore

  it.each(
    REFUSALS.map(([what, query, body, headers, status, code, field]) => ({
      what, query, body, headers, status, code, field,
    })), // prettier-ignore
  )('is refused and leaves nothing behind: $what', async ({ query, body, headers, status, code, field }) => {
    const before = await harness.traces();
    const answer = await upload(query, body, headers);
    expect([answer.status, answer.body.error?.code]).toEqual([status, code]);
    if (field !== undefined) expect(answer.body.error?.details?.map((issue) => issue.field)).toContain(field);
    expect(await harness.traces()).toEqual(before);
  });
});

describe('a form with one file', () => {
  const sendForm = async (form: FormData, headers: Record<string, string> = {}): Promise<Answer> => {
    const response = await fetch(`${harness.url}/bulk-actions?actionType=update`, {
      method: 'POST',
      headers: { 'x-account-id': 'acme', ...headers },
      body: form,
    });
    return {
      status: response.status,
      headers: response.headers,
      body: (await response.json()) as Answer['body'],
    };
  };
  const formOf = (content: string | Buffer, name: string, type?: string): FormData => {
    const form = new FormData();
    const options = type === undefined ? {} : { type };
    form.append('file', new Blob([new Uint8Array(Buffer.from(content))], options), name);
    return form;
  };

  it.each([
    ['CSV', formOf(csvOf(95), 'contacts.csv', 'text/csv')],
    ['CSV by its name', formOf(csvOf(95), 'contacts.csv', 'application/vnd.ms-excel')],
    ['NDJSON by its name', formOf(ndjsonOf(95), 'contacts.jsonl')],
    ['gzipped CSV', formOf(gzipSync(csvOf(95)), 'contacts.csv.gz', 'application/gzip')],
  ])('creates the same action from %s as the plain file', async (_what, form) => {
    const { status, body } = await sendForm(form);
    expect([status, body.data?.['total']]).toEqual([202, 95]);
    const published = await eventually('all positions', async () => {
      const batches = await harness.published(String(body.data?.['actionId']));
      return positionsOf(batches).length >= 95 ? batches : undefined;
    });
    const entities = published
      .flatMap(({ batch }) => batch.entities)
      .sort((a, b) => a.position - b.position)
      .map(({ id, fields }) => ({ id, ...(JSON.parse(fields) as object) }));
    expect(entities).toEqual(entitiesOf(95));
  });

  it('may be repeated with its Idempotency-Key although the boundary changes', async () => {
    const headers = { 'idempotency-key': 'form-1' };
    const first = await sendForm(formOf(csvOf(20), 'a.csv'), headers);
    const again = await sendForm(formOf(csvOf(20), 'a.csv'), headers);
    expect([first.status, again.status]).toEqual([202, 202]);
    expect(again.body.data?.['actionId']).toBe(first.body.data?.['actionId']);
    const other = await sendForm(formOf(csvOf(21), 'a.csv'), headers);
    expect(other.body.error?.code).toBe('IDEMPOTENCY_KEY_REUSED');
  });

  const two = formOf(csvOf(300), 'a.csv');
  two.append('file', new Blob([csvOf(3)]), 'b.csv');
  const withField = formOf(csvOf(300), 'a.csv');
  withField.append('dryRun', 'true');
  it.each([
    ['two files', two, 400, 'INVALID_MULTIPART'],
    ['an additional field', withField, 400, 'INVALID_MULTIPART'],
    ['a file of another type', formOf('PK', 'contacts.xlsx'), 415, 'UNSUPPORTED_MEDIA_TYPE'],
    ['a quote that is not closed', formOf('id,lastName\nc1,"A\n', 'a.csv'), 400, 'INVALID_ROW'],
    ['a file over the limit', formOf(LARGE, 'a.csv'), 413, 'PAYLOAD_TOO_LARGE'],
    ['a small file that expands beyond the limit', formOf(gzipSync(LARGE), 'a.csv.gz'), 413, 'PAYLOAD_TOO_LARGE'],
  ])('is refused and leaves nothing behind if it has %s', async (_what, form, status, code) => {
    const before = await harness.traces();
    const answer = await sendForm(form);
    expect([answer.status, answer.body.error?.code]).toEqual([status, code]);
    expect(await harness.traces()).toEqual(before);
  }); // prettier-ignore

  it('is refused early while the client sends, and the connection stays usable', async () => {
    const rows = (function* () {
      yield Buffer.from(
        '--b\r\ncontent-disposition: form-data; name="f"; filename="x.csv"\r\n\r\nid,lastName\nc1\n',
      );
      for (let i = 0; i < 500; i += 1) yield Buffer.from(csvOf(100));
    })();
    const response = await fetch(`${harness.url}/bulk-actions?actionType=explode`, {
      method: 'POST',
      headers: { 'content-type': 'multipart/form-data; boundary=b', 'x-account-id': 'acme' },
      body: ReadableStream.from(rows),
      duplex: 'half',
    });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ error: { code: 'UNKNOWN_ACTION_TYPE' } });
  });
});

describe('an upload that breaks off', () => {
  it.each([
    ['while its rows still come', csvOf(300), CSV],
    ['within a gzip', gzipSync(csvOf(900)).subarray(0, 2_000), { ...CSV, ...GZIP }],
  ])('leaves nothing behind %s (G1)', async (_what, part, headers) => {
    const before = await harness.traces();
    const { hostname, port } = new URL(harness.url);
    const sent = httpRequest({
      hostname,
      port,
      method: 'POST',
      path: '/bulk-actions?actionType=update',
      headers: { ...headers, 'x-account-id': 'acme', 'transfer-encoding': 'chunked' },
    });
    const ended = new Promise((resolve) => sent.once('close', resolve).once('error', () => undefined));
    sent.write(part);
    await eventually('it is being staged', async () => {
      return (await harness.database.actions.countDocuments({ status: 'staging' })) > 0;
    });
    sent.destroy();
    await ended;
    await eventually('it is gone', async () => {
      return (await harness.database.actions.countDocuments({ status: 'staging' })) === 0;
    });
    expect(await harness.traces()).toEqual(before);
  });
});

describe('a refused upload', () => {
  it('is answered while the client still sends, and the connection stays usable', async () => {
    const rows = (function* () {
      yield Buffer.from('id,lastName\nc1\n');
      for (let i = 0; i < 500; i += 1) yield Buffer.from(csvOf(100));
    })();
    const response = await fetch(`${harness.url}/bulk-actions?actionType=update&invalidRows=refuse`, {
      method: 'POST',
      headers: { ...CSV, 'x-account-id': 'acme' },
      body: ReadableStream.from(rows),
      duplex: 'half',
    });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({
      error: { code: 'INVALID_ROW', details: [{ field: 'line 2' }] },
    });
  });
});
