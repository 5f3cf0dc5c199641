import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { actionViewSchema, listActionsQuerySchema, statusSummarySchema } from '@bulk/contracts';
import { ACTION_STATUSES } from '@bulk/domain';
import type { ActionDocument } from '@bulk/mongo';
import { uuidv7 } from 'uuidv7';
import { ActionStore } from '../src/actions/action-store.ts';
import { IntakeHarness, type Answer } from './harness.ts';

let harness: IntakeHarness;
/** Actions of acme, in the order of their creation. */
let actions: ActionDocument[];

beforeAll(async () => {
  harness = await IntakeHarness.create();
  await harness.start();
  actions = [];
  for (let i = 0; i < 14; i += 1) actions.push(await given(i, 'acme'));
  for (let i = 0; i < 3; i += 1) await given(i, 'globex');
  await harness.database.actions.insertOne({ ...actions[0]!, _id: uuidv7(), status: 'staging' });
});
afterAll(() => harness.installation.dispose());

/** Stores an action without any work under way. */
async function given(i: number, accountId: string): Promise<ActionDocument> {
  const template = await harness.accepted(uuidv7(), 1, new Date(Date.UTC(2999, 0, 1 + (i % 5))));
  await harness.database.actions.deleteOne({ _id: template._id });
  const status = ACTION_STATUSES[i % ACTION_STATUSES.length]!;
  const action: ActionDocument = {
    ...template,
    accountId,
    status,
    lane: i % 2 === 0 ? 'high' : 'low',
    entityType: i % 3 === 0 ? 'lead' : 'contact',
    total: (i * 7) % 10,
    finishedAt: status === 'completed' ? new Date(Date.UTC(2026, 0, 20 - i)) : null,
    dispatch: { nextBatch: 0, done: true, lease: null },
  };
  await harness.database.actions.insertOne(action);
  return action;
}

const idsOf = ({ body }: Answer): unknown[] =>
  (body.data as unknown as { actionId: string }[]).map((one) => one.actionId);
const ids = (some: readonly ActionDocument[]): string[] => some.map(({ _id }) => _id);
const newestFirst = (): ActionDocument[] => [...actions].reverse();

describe.each(['/bulk-actions', '/bulk-actions/status'])('GET %s', (path) => {
  it("lists the account's actions, newest first, page by page, without their entities", async () => {
    const first = await harness.get(`${path}?limit=5`);
    expect(first.status).toBe(200);
    for (const view of first.body.data as unknown as unknown[]) actionViewSchema.strict().parse(view);
    expect(first.body.pagination).toEqual({ total: 14, limit: 5, skip: 0 });
    const rest = await harness.get(`${path}?limit=1000&skip=5`);
    expect(rest.body.pagination).toEqual({ total: 14, limit: 1_000, skip: 5 });
    expect([...idsOf(first), ...idsOf(rest)]).toEqual(ids(newestFirst()));
    expect(await harness.get(path)).toMatchObject({
      body: { pagination: { total: 14, limit: 50, skip: 0 } },
    });
  });

  it.each(ACTION_STATUSES)('returns actions that are %s', async (status) => {
    const answer = await harness.get(`${path}?status=${status}`);
    expect(idsOf(answer)).toEqual(ids(newestFirst().filter((action) => action.status === status)));
    expect(answer.body.pagination?.['total']).toBe(2);
  });

  it('combines filters', async () => {
    const answer = await harness.get(`${path}?priority=high&entityType=lead&actionType=update`);
    const wanted = newestFirst().filter(({ lane, entityType }) => lane === 'high' && entityType === 'lead');
    expect(idsOf(answer)).toEqual(ids(wanted));
    expect(wanted.length).toBeGreaterThan(1);
    expect(idsOf(await harness.get(`${path}?actionType=delete`))).toEqual([]);
  });

  it.each([
    ['createdAt', (action: ActionDocument) => action.createdAt.getTime()],
    ['total', (action: ActionDocument) => action.total],
    ['finishedAt', (action: ActionDocument) => action.finishedAt?.getTime() ?? -1],
    ['scheduledFor', (action: ActionDocument) => action.scheduledFor?.getTime() ?? -1],
  ])('sorts by %s, in both directions, with each action once', async (field, value) => {
    const up = [...actions].sort((a, b) => value(a) - value(b) || (a._id < b._id ? -1 : 1));
    expect(idsOf(await harness.get(`${path}?sort=${field}`))).toEqual(ids(up));
    const down = [
      ...idsOf(await harness.get(`${path}?sort=-${field}&limit=6`)),
      ...idsOf(await harness.get(`${path}?sort=-${field}&skip=6`)),
    ];
    expect(down).toEqual(ids(up.reverse()));
  });

  it.each([
    ['limit=0', 'limit'],
    ['limit=1001', 'limit'],
    ['limit=ten', 'limit'],
    ['skip=-1', 'skip'],
    ['sort=name', 'sort'],
    ['sort=--createdAt', 'sort'],
    ['status=done', 'status'],
    ['status=staging', 'status'],
    ['status=queued&status=paused', 'status'],
    ['priority=urgent', 'priority'],
    ['page=2', 'page'],
  ])('refuses %s and names the field', async (query, field) => {
    const answer = await harness.get(`${path}?${query}`);
    expect([answer.status, answer.body.error?.code]).toEqual([400, 'INVALID_REQUEST']);
    expect(answer.body.error?.details?.map((issue) => issue.field)).toEqual([field]);
  });

  it('returns only actions of its account, which the query may name', async () => {
    expect((await harness.get(path, { 'x-account-id': 'globex' })).body.pagination?.['total']).toBe(3);
    expect((await harness.get(`${path}?accountId=globex`, {})).body.pagination?.['total']).toBe(3);
    expect((await harness.get(path, { 'x-account-id': 'nobody' })).body.pagination?.['total']).toBe(0);
    expect((await harness.get(path, {})).body.error?.code).toBe('ACCOUNT_REQUIRED');
    expect((await harness.get(`${path}?accountId=globex`)).body.error?.code).toBe('ACCOUNT_MISMATCH');
  });
});

describe('a list without an account', () => {
  it.each(['/bulk-actions', '/bulk-actions/status', '/bulk-actions/status/summary'])(
    'is refused at %s with a hint how to name an account, and shows no action',
    async (path) => {
      const { status, body } = await harness.get(path, {});
      expect([status, body.data]).toEqual([400, undefined]);
      expect(body.error).toEqual({
        code: 'ACCOUNT_REQUIRED',
        message: 'name the account in the header x-account-id, or as accountId',
        details: [{ field: 'x-account-id', message: 'expected the id of an account, here or as accountId' }],
      });
      expect((await harness.get(`${path}?accountId=acme`, {})).status).toBe(200);
      expect((await harness.get(path, { 'x-account-id': 'acme' })).status).toBe(200);
    },
  );
});

describe('the total of a list', () => {
  it('is marked as a lower bound when more actions match than a list counts', async () => {
    const store = new ActionStore(harness.database, 2);
    const listed = async (query: Record<string, string>) => {
      const {
        total,
        atLeast,
        actions: found,
      } = await store.list('acme', listActionsQuerySchema.parse(query));
      return { total, atLeast, found: found.length };
    };
    expect(await listed({})).toEqual({ total: 14, atLeast: true, found: 14 });
    expect(await listed({ limit: '3', skip: '4' })).toEqual({ total: 14, atLeast: true, found: 3 });
    expect(await listed({ status: 'paused', priority: 'high' })).toEqual({
      total: 1,
      atLeast: false,
      found: 1,
    });
    await harness.database.actions.insertMany(
      [1, 2, 3].map(() => ({ ...actions[3]!, _id: uuidv7(), accountId: 'initech' })),
    );
    const { status } = actions[3]!;
    const initech = await store.list('initech', listActionsQuerySchema.parse({ status, limit: '1' }));
    expect(initech).toMatchObject({ total: 2, atLeast: true });
    const behind = await store.list(
      'initech',
      listActionsQuerySchema.parse({ status, limit: '1', skip: '2' }),
    );
    expect(behind).toMatchObject({ total: 3, atLeast: true });
  });
});

describe('GET /bulk-actions/status/summary', () => {
  it("counts the account's actions by status and names every status", async () => {
    const { status, body } = await harness.get('/bulk-actions/status/summary');
    expect(status).toBe(200);
    expect(statusSummarySchema.parse(body.data)).toEqual(
      Object.fromEntries(ACTION_STATUSES.map((name) => [name, 2])),
    );
    const nobody = await harness.get('/bulk-actions/status/summary', { 'x-account-id': 'nobody' });
    expect(nobody.body.data).toEqual(Object.fromEntries(ACTION_STATUSES.map((name) => [name, 0])));
  });

  it('requires an account and refuses unknown fields', async () => {
    expect((await harness.get('/bulk-actions/status/summary', {})).status).toBe(400);
    expect((await harness.get('/bulk-actions/status/summary?limit=1')).status).toBe(400);
  });
});
