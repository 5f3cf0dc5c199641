import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { contact, UpsertHandler, type ActionContext } from '@bulk/action-types';
import { decodeEntity } from '@bulk/contracts';
import { derivedEntityId } from '@bulk/domain';
import { entityKey, MongoEntityStore } from '@bulk/mongo';
import { eventually, QueryPlans } from '@bulk/testing';
import { RowMatcher } from '../src/matching/matched-rows.ts';
import { IntakeHarness, positionsOf, type Answer, type PublishedBatch } from './harness.ts';

let harness: IntakeHarness;
beforeAll(async () => {
  harness = await IntakeHarness.create();
  // Groups of 3 rows, so that small requests have several.
  await harness.start({ MATCH_GROUP_ROWS: '3' });
});
afterAll(() => harness.installation.dispose());

type Values = Readonly<Record<string, unknown>>;

/** Stores contacts of an account of their own. */
async function given(...contacts: readonly (Values & { readonly id: string })[]): Promise<string> {
  const accountId = `a-${randomUUID()}`;
  const at = new Date();
  const documents = contacts.map((one) => ({
    _id: entityKey(accountId, one.id),
    accountId,
    version: 1,
    createdAt: at,
    updatedAt: at,
    ...one,
  }));
  if (documents.length > 0) await harness.database.entities('contacts').insertMany(documents);
  return accountId;
}

const post = (accountId: string, body: Values, headers: Readonly<Record<string, string>> = {}) =>
  harness.post(body, { 'x-account-id': accountId, ...headers });
const upload = (accountId: string, query: string, body: string, type = 'text/csv') =>
  harness.upload(`/bulk-actions?${query}`, body, { 'x-account-id': accountId, 'content-type': type });

interface Row {
  readonly id: string;
  readonly ref: string | null;
  readonly fields: Values;
  readonly code?: string;
  readonly message?: string;
}

/** Returns the batches of an accepted action, once all of them are published. */
async function publishedOf(answer: Answer): Promise<PublishedBatch[]> {
  expect([answer.status, answer.body.error]).toEqual([202, undefined]);
  const { actionId, total } = answer.body.data as { actionId: string; total: number };
  return eventually('all positions are published', async () => {
    const published = await harness.published(actionId);
    return positionsOf(published).length === total ? published : undefined;
  });
}

/** Returns the rows of an accepted action as handler gets them, in order. */
async function rowsOf(answer: Answer): Promise<Row[]> {
  const published = await publishedOf(answer);
  return published
    .flatMap(({ batch }) => batch.entities)
    .sort((a, b) => a.position - b.position)
    .map((entity) => {
      const { id, ref, fields, fault } = decodeEntity(entity);
      return { id, ref, fields, ...fault };
    });
}

const refusals = ({ status, body }: Answer) => [
  status,
  body.error?.code,
  body.error?.details?.map(({ field }) => field),
];

describe('matchBy', () => {
  it('finds the contacts of an update by their stored e-mail addresses, and fails each row that it cannot match', async () => {
    const twins = Array.from({ length: 7 }, (_, i) => ({ id: `twin-${i}`, email: 'twin@x.example' }));
    const accountId = await given(
      { id: 'c1', email: 'ada@x.example' },
      { id: 'c2', email: 'bob@x.example' },
      ...twins,
    );
    await given({ id: 'foreign', email: 'none@x.example' });
    const answer = await post(accountId, {
      actionType: 'update',
      matchBy: 'email',
      config: { set: { ownerId: 'u1' } },
      entities: [
        { email: 'ada@x.example', city: 'Bonn', expectedVersion: 1, ref: 'row 1' },
        { email: 'none@x.example', ref: 'row 2' },
        { email: 'twin@x.example', city: 'Ulm' },
        { email: 'bob@x.example' },
        { city: 'Köln', ref: 'row 5' },
        { email: 'no address' },
        { email: 'ADA@x.example' },
        { email: null },
        { email: 7 },
        { email: 'ada@x.example', set: { email: 'ada@y.example' } },
      ],
    });
    expect(answer.body.data).toMatchObject({ matchBy: 'email', total: 10 });
    const rows = await rowsOf(answer);
    expect(rows.map(({ id, code }) => code ?? id)).toEqual([
      'c1',
      'ENTITY_NOT_FOUND',
      'AMBIGUOUS_MATCH',
      'c2',
      'INVALID_ENTITY',
      'INVALID_ENTITY',
      'ENTITY_NOT_FOUND',
      'INVALID_ENTITY',
      'INVALID_ENTITY',
      'c1',
    ]);
    expect(rows[0]).toEqual({ id: 'c1', ref: 'row 1', fields: { city: 'Bonn', expectedVersion: 1 } });
    expect(rows[1]).toMatchObject({
      ref: 'row 2',
      fields: { email: 'none@x.example' },
      message: 'no contact has the email "none@x.example"',
    });
    expect(rows[2]?.message).toMatch(
      /^7 entities of the type contact have this email: (twin-\d, ){4}twin-\d, and 2 more$/,
    );
    expect(rows[4]?.message).toBe('email: expected a value, which finds the contact');
    expect(rows[5]?.message).toBe('email: expected an e-mail address');
    expect(rows[9]?.fields).toEqual({ set: { email: 'ada@y.example' } });
    const view = await harness.get(`/bulk-actions/${String(answer.body.data?.['actionId'])}`, {
      'x-account-id': accountId,
    });
    expect(view.body.data).toMatchObject({ matchBy: 'email' });
  });

  it('takes the column of the field in place of the column id in a CSV, and the field in NDJSON', async () => {
    const accountId = await given({ id: 'c1', email: 'a@x.example' }, { id: 'c2', externalId: '0042' });
    const csv = await upload(
      accountId,
      'actionType=update&matchBy=email',
      'E-Mail,City\na@x.example,Bonn\n,Ulm\n',
    );
    expect((await rowsOf(csv)).map(({ id, code, fields }) => [code ?? id, fields])).toEqual([
      ['c1', { city: 'Bonn' }],
      ['INVALID_ENTITY', { city: 'Ulm' }],
    ]);
    const deletion = await upload(
      accountId,
      'actionType=delete&matchBy=externalId',
      'external_id\n0042\n42\n',
    );
    expect((await rowsOf(deletion)).map(({ id, code, fields }) => [code ?? id, fields])).toEqual([
      ['c2', {}],
      ['ENTITY_NOT_FOUND', { externalId: '42' }],
    ]);
    const ndjson = await upload(
      accountId,
      'actionType=update&matchBy=email',
      '{"email":"a@x.example","city":"Ulm"}\n',
      'application/x-ndjson',
    );
    expect((await rowsOf(ndjson)).map(({ id, fields }) => [id, fields])).toEqual([['c1', { city: 'Ulm' }]]);
  });

  it('fails only the row when the row has the largest size and depth that are allowed', async () => {
    const accountId = await given();
    const deep = (levels: number): unknown => (levels === 0 ? 'x' : [deep(levels - 1)]);
    const row = { email: 'none@x.example', deep: deep(63), notes: '' };
    const notes = 'x'.repeat(2_000 - JSON.stringify(row).length);
    const sent = (more: Values, invalidRows = 'refuse') =>
      upload(
        accountId,
        `actionType=update&matchBy=email&invalidRows=${invalidRows}`,
        `${JSON.stringify({ ...row, ...more })}\n`,
        'application/x-ndjson',
      );
    expect((await rowsOf(await sent({ notes })))[0]).toMatchObject({ code: 'ENTITY_NOT_FOUND' });
    expect((await sent({ notes: `${notes}x` })).body.error?.code).toBe('ENTITY_TOO_LARGE');
    const failed = await rowsOf(await sent({ notes: `${notes}x` }, 'fail'));
    expect(failed).toMatchObject([{ id: '', fields: {}, code: 'INVALID_ROW' }]);
  });

  it('makes one record when two upserts of a new externalId run at the same time, however often they are delivered', async () => {
    const accountId = await given();
    const body = {
      actionType: 'upsert',
      matchBy: 'externalId',
      entities: [{ externalId: 'new-1', lastName: 'Lovelace' }],
    };
    const answers = await Promise.all([
      post(accountId, body),
      post(accountId, { ...body, priority: 'high' }),
    ]);
    const published = (await Promise.all(answers.map(publishedOf))).flat();
    const store = new MongoEntityStore(harness.database);
    const applied = () => Promise.all(published.map((one) => apply(one, accountId, store)));
    const first = await applied();
    expect(first.flat().map((outcome) => outcome.status)).toEqual(['success', 'success']);
    expect((await applied()).flat().map((outcome) => outcome.status)).toEqual(['success', 'success']);
    const stored = await harness.database.entities('contacts').find({ accountId }).toArray();
    const value = { accountId, entityType: 'contact', field: 'externalId', value: 'new-1' };
    expect(stored).toMatchObject([
      { id: derivedEntityId(value, 0), externalId: 'new-1', lastName: 'Lovelace', version: 2 },
    ]);
    // A later action finds the record, and writes the field again.
    const later = await rowsOf(await post(accountId, body));
    expect(later).toMatchObject([{ id: derivedEntityId(value, 0), fields: { externalId: 'new-1' } }]);
  });

  it('gives an upsert a new id when the record that was made for the value has another value by now', async () => {
    const accountId = await given();
    const value = { accountId, entityType: 'contact', field: 'email', value: 'a@x.example' };
    const id = (attempt: number) => derivedEntityId(value, attempt);
    const contacts = harness.database.entities('contacts');
    const documentOf = (entityId: string, email: string) => ({
      _id: entityKey(accountId, entityId), accountId, id: entityId, email,
      version: 1, createdAt: new Date(), updatedAt: new Date(),
    }); // prettier-ignore
    const upsert = async () =>
      rowsOf(
        await post(accountId, {
          actionType: 'upsert',
          matchBy: 'email',
          entities: [{ email: 'a@x.example' }, { email: 'a@x.example' }],
        }),
      );
    await contacts.insertOne(documentOf(id(0), 'changed@x.example'));
    expect((await upsert()).map((row) => row.id)).toEqual([id(1), id(1)]);
    await contacts.insertMany(
      Array.from({ length: 9 }, (_, i) => documentOf(id(i + 1), `changed-${i}@x.example`)),
    );
    expect((await upsert()).map(({ code }) => code)).toEqual(['ENTITY_EXISTS', 'ENTITY_EXISTS']);
  });

  it('matches the rows again that a retry sends, and keeps the entities of the others', async () => {
    const accountId = await given({ id: 'c1', email: 'a@x.example' });
    const answer = await post(accountId, {
      actionType: 'update',
      matchBy: 'email',
      entities: [{ email: 'a@x.example' }, { email: 'late@x.example', ref: 'r', city: 'Bonn' }],
    });
    const actionId = String(answer.body.data?.['actionId']);
    await rowsOf(answer);
    const { stagedBatches, actionLogs, actions } = harness.database;
    for (const { _id, batchNo, partition, entities } of await stagedBatches.find({ actionId }).toArray()) {
      await actionLogs.insertOne({
        _id, actionId, batchNo, partition, at: new Date(), source: { partition: 0, offset: batchNo },
        counts: { success: 0, failure: entities.length, skipped: 0 },
        firstPosition: entities[0]!.position, lastPosition: entities.at(-1)!.position,
        outcomes: entities.map(({ position, id, ref }) => ({
          position, entityId: id, ref, status: 'failure', code: 'A_CODE', message: 'why', attempts: 1,
        })),
      }); // prettier-ignore
    }
    await actions.updateOne(
      { _id: actionId },
      { $set: { status: 'completed', 'counts.failure': 2, finishedAt: new Date() } },
    );
    const contacts = harness.database.entities('contacts');
    await contacts.updateOne({ accountId, id: 'c1' }, { $set: { email: 'moved@x.example' } });
    await contacts.insertOne({
      _id: entityKey(accountId, 'c2'), accountId, id: 'c2', email: 'late@x.example',
      version: 1, createdAt: new Date(), updatedAt: new Date(),
    }); // prettier-ignore
    const retry = await harness.send('POST', `/bulk-actions/${actionId}/retry`, {
      'x-account-id': accountId,
    });
    expect(retry.body.data).toMatchObject({ matchBy: 'email' });
    expect(await rowsOf(retry)).toEqual([
      { id: 'c1', ref: null, fields: {} },
      { id: 'c2', ref: 'r', fields: { city: 'Bonn' } },
    ]);
  });

  it.each<[string, Values, unknown[]]>([
    ['a field that cannot be matched', { matchBy: 'city' }, ['matchBy']],
    ['a field that does not exist', { matchBy: 'shoeSize' }, ['matchBy']],
    ['a field that is a number', { matchBy: 7 }, ['matchBy']],
    ['create', { matchBy: 'email', actionType: 'create' }, ['matchBy']],
    [
      'an id in a row',
      { matchBy: 'email', entities: [{ email: 'a@x.example', id: 'c1' }] },
      ['entities[0].id'],
    ],
    ['a null as the id of a row', { matchBy: 'email', entities: [{ id: null }] }, ['entities[0].id']],
  ])('is refused with %s, and nothing is stored', async (_what, body, fields) => {
    const before = await harness.traces();
    const answer = await post('acme', {
      actionType: 'update',
      entities: [{ email: 'a@x.example' }],
      ...body,
    });
    expect(refusals(answer)).toEqual([400, 'INVALID_REQUEST', fields]);
    expect(await harness.traces()).toEqual(before);
  });

  it.each([
    ['a column id', 'id,email\nc1,a@x.example\n', ['id']],
    ['no column of the field', 'name\nAda\n', ['email']],
  ])('is refused with %s in a CSV', async (_what, csv, fields) => {
    const answer = await upload('acme', 'actionType=update&matchBy=email', csv);
    expect(refusals(answer)).toEqual([400, 'INVALID_HEADER', fields]);
  });

  it('uses an index of each field, and counts no more than a page of the entities that share a value', async () => {
    const accountId = await given(
      ...Array.from({ length: 1_200 }, (_, i) => ({ id: `c${i}`, email: 'same@x.example' })),
      { id: 'only', email: 'only@x.example' },
    );
    const plans = new QueryPlans();
    const database = await harness.installation.database(plans.record);
    const group = { rows: 500, bytes: 1_000_000, waitMs: 1_000 };
    const matcher = new RowMatcher({ database, group, maxEntityBytes: 1_000 });
    const found: unknown[] = [];
    for (const field of contact.matchFields) {
      const rows = ['same@x.example', 'only@x.example', 'new@x.example'].map((value) => ({ [field]: value }));
      const scope = { accountId, entityType: contact, targets: 'either', field } as const;
      for await (const row of matcher.matched(rows, scope)) found.push(row);
    }
    expect(found).toHaveLength(6);
    expect(found[0]).toMatchObject({
      fault: {
        message: expect.stringMatching(/^at least \d+ entities .*, and at least \d+ more$/) as unknown,
      },
    });
    expect(found[1]).toMatchObject({ id: 'only' });
    expect(plans.recorded).toEqual(['find contacts']);
    expect(await plans.scans(database)).toEqual([]);
  });
});

/** Applies a published batch as handler does, without its consumer. */
function apply({ batch, partition, offset }: PublishedBatch, accountId: string, store: MongoEntityStore) {
  const { lane, actionId } = batch;
  const handler = new UpsertHandler();
  const context: ActionContext = {
    identity: { actionId, accountId, actionType: 'upsert', entityType: 'contact', lane },
    entityType: contact,
    at: { lane, partition, offset },
    store,
    now: new Date(),
    dryRun: false,
    idempotencyToken: String,
  };
  const entities = batch.entities.map((entity) => decodeEntity(entity));
  return handler.processBatch(entities, {}, context);
}

describe('create without an id', () => {
  const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

  it('gives each row an id of its own, from JSON and CSV, and keeps given ids', async () => {
    const json = await rowsOf(
      await post('acme', {
        actionType: 'create',
        entities: [{ lastName: 'A', ref: 'r' }, { id: 'mine', lastName: 'B' }, { lastName: 'C' }],
      }),
    );
    expect(json[0]).toEqual({ id: expect.stringMatching(UUID_V7), ref: 'r', fields: { lastName: 'A' } });
    expect(json[1]?.id).toBe('mine');
    const csv = await rowsOf(await upload('acme', 'actionType=create', 'lastName\nA\nB\n'));
    const mixed = await rowsOf(await upload('acme', 'actionType=create', 'id,lastName\nmine-2,A\n,B\n'));
    expect(mixed[0]?.id).toBe('mine-2');
    const ids = [json[0], json[2], ...csv, mixed[1]].map((row) => row?.id ?? '');
    expect(ids).toHaveLength(5);
    expect(ids.every((id) => UUID_V7.test(id))).toBe(true);
    expect(new Set(ids).size).toBe(5);
  });

  it('gives the same action, and so the same ids, when its Idempotency-Key is repeated', async () => {
    const body = { actionType: 'create', entities: [{ lastName: 'A' }] };
    const headers = { 'idempotency-key': randomUUID() };
    const first = await post('acme', body, headers);
    const again = await post('acme', body, headers);
    expect(again.headers.get('idempotency-replayed')).toBe('true');
    expect(again.body.data?.['actionId']).toBe(first.body.data?.['actionId']);
    expect(await rowsOf(again)).toEqual(await rowsOf(first));
  });

  it.each([
    ['an update without an id', 'update', undefined],
    ['a null as id', 'create', null],
    ['a number as id', 'create', 7],
    ['an empty id', 'create', ''],
    ['an object as id', 'create', {}],
  ])('refuses %s', async (_what, actionType, id) => {
    const answer = await post('acme', { actionType, entities: [{ id, lastName: 'A' }] });
    expect(refusals(answer)).toEqual([400, 'INVALID_REQUEST', ['entities[0].id']]);
  });
});
