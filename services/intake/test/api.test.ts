import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { actionStatsSchema, actionViewSchema, logEntrySchema } from '@bulk/contracts';
import type { OutcomeStatus } from '@bulk/domain';
import type { ActionLogDocument } from '@bulk/mongo';
import { eventually } from '@bulk/testing';
import { entitiesOf, IntakeHarness, positionsOf } from './harness.ts';

let harness: IntakeHarness;
beforeAll(async () => {
  harness = await IntakeHarness.create();
  await harness.start();
});
afterAll(() => harness.installation.dispose());

const good = { actionType: 'update', entities: [{ id: 'c1', lastName: 'A' }] };

describe('POST /bulk-actions', () => {
  it('accepts an action with 202, its URL and its view, and publishes all entities to the lanes', async () => {
    const { status, headers, body } = await harness.post(
      { ...good, entities: entitiesOf(95), priority: 'high', config: { set: { ownerId: 'u7' } } },
      { 'x-request-id': 'mine' },
    );
    expect(status).toBe(202);
    expect(headers.get('x-request-id')).toBe('mine');
    const action = actionViewSchema.strict().parse(body.data);
    expect(headers.get('location')).toBe(`/bulk-actions/${action.actionId}`);
    expect(action).toMatchObject({
      accountId: 'acme',
      entityType: 'contact',
      priority: 'high',
      total: 95,
      processed: 0,
      config: { set: { ownerId: 'u7' } },
    });
    const published = await eventually('all positions', async () => {
      const batches = await harness.published(action.actionId);
      return positionsOf(batches).length >= 95 ? batches : undefined;
    });
    expect(positionsOf(published)).toEqual(entitiesOf(95).map((_, i) => i));
    expect(published.every(({ batch }) => batch.lane === 'high')).toBe(true);
    // The window is recorded after Kafka has it.
    const seen = await eventually('the window is recorded', async () => {
      const { body: answer } = await harness.get(`/bulk-actions/${action.actionId}`);
      return answer.data?.['status'] === 'pending' ? undefined : answer.data;
    });
    expect(seen).toMatchObject({ status: 'queued', total: 95 });
  });

  it('accepts an account in the body and a named entity type', async () => {
    const body = { ...good, accountId: 'acme', entityType: 'lead' };
    const { status, body: answer } = await harness.post(body, { 'x-account-id': '' });
    expect(status).toBe(202);
    expect(answer.data).toMatchObject({ accountId: 'acme', entityType: 'lead', priority: 'normal' });
  });

  const REFUSALS: [string, unknown, Record<string, string>, number, string, string?][] = [
    ['no JSON', '{"actionType":', {}, 400, 'INVALID_JSON'],
    ['a JSON text', '"update"', {}, 400, 'INVALID_JSON'],
    ['a list', [good], {}, 400, 'INVALID_REQUEST', '(body)'],
    ['a body that is not the gzip it claims to be', good, { 'content-encoding': 'gzip' }, 400, 'INVALID_GZIP', '(body)'],
    ['an empty body', '', {}, 400, 'INVALID_REQUEST', 'actionType'],
    ['another content type', 'a,b', { 'content-type': 'text/plain' }, 415, 'UNSUPPORTED_MEDIA_TYPE'],
    ['too large a body', { ...good, config: { x: 'x'.repeat(200_000) } }, {}, 413, 'PAYLOAD_TOO_LARGE'],
    ['no account', good, { 'x-account-id': '' }, 400, 'ACCOUNT_REQUIRED', 'x-account-id'],
    ['two accounts', { ...good, accountId: 'other' }, {}, 400, 'ACCOUNT_MISMATCH', 'accountId'],
    ['no action type', { entities: good.entities }, {}, 400, 'INVALID_REQUEST', 'actionType'],
    ['an unknown action type', { ...good, actionType: 'explode' }, {}, 400, 'UNKNOWN_ACTION_TYPE', 'actionType'],
    ['an unknown entity type', { ...good, entityType: 'planet' }, {}, 400, 'UNKNOWN_ENTITY_TYPE', 'entityType'],
    ['an unknown field', { ...good, dryrun: true }, {}, 400, 'INVALID_REQUEST', 'dryrun'],
    ['no entities', { actionType: 'update' }, {}, 400, 'INVALID_REQUEST', 'entities'],
    ['empty entities', { ...good, entities: [] }, {}, 400, 'INVALID_REQUEST', 'entities'],
    ['entities that are no list', { ...good, entities: { id: 'c1' } }, {}, 400, 'INVALID_REQUEST', 'entities'],
    ['too many entities', { ...good, entities: entitiesOf(1_001) }, {}, 400, 'INVALID_REQUEST', 'entities'],
    ['an entity without id', { ...good, entities: [{ id: 'c1' }, {}] }, {}, 400, 'INVALID_REQUEST', 'entities[1].id'],
    ['a number as id', { ...good, entities: [{ id: 7 }] }, {}, 400, 'INVALID_REQUEST', 'entities[0].id'],
    ['an entity that is null', { ...good, entities: [null] }, {}, 400, 'INVALID_REQUEST', 'entities[0]'],
    ['no date', { ...good, scheduledFor: 'tomorrow' }, {}, 400, 'INVALID_REQUEST', 'scheduledFor'],
    ['a date that its offset moves beyond the year 9999', { ...good, scheduledFor: '9999-12-31T23:59:59-05:00' }, {}, 400, 'INVALID_REQUEST', 'scheduledFor'],
    ['a date that its offset moves before the year 1', { ...good, scheduledFor: '0001-01-01T00:00:00+05:00' }, {}, 400, 'INVALID_REQUEST', 'scheduledFor'],
    ['a date two years ahead', { ...good, scheduledFor: new Date(Date.now() + 2 * 366 * 86_400_000).toISOString() }, {}, 400, 'INVALID_REQUEST', 'scheduledFor'],
    ['a date without offset', { ...good, scheduledFor: '2026-11-24T22:00:00' }, {}, 400, 'INVALID_REQUEST', 'scheduledFor'],
    ['an unknown priority', { ...good, priority: 'urgent' }, {}, 400, 'INVALID_REQUEST', 'priority'],
    ['a bad config', { ...good, config: { set: { email: 1 } } }, {}, 400, 'INVALID_CONFIG', 'config.set.email'],
  ]; // prettier-ignore

  it.each(
    REFUSALS.map(
      ([what, body, headers, status, code, field]) =>
        [what, body, headers, status, code, field ?? null] as const,
    ),
  )('refuses %s and leaves nothing behind', async (_what, body, headers, status, code, field) => {
    const before = await harness.traces();
    const answer = await harness.post(body, headers);
    expect([answer.status, answer.body.success, answer.body.error?.code]).toEqual([status, false, code]);
    if (field !== null) expect(answer.body.error?.details?.map((issue) => issue.field)).toContain(field);
    expect(answer.headers.get('x-request-id')).toMatch(/.+/);
    expect(await harness.traces()).toEqual(before);
  });

  it('refuses an entity that is too large although others are staged already', async () => {
    const before = await harness.traces();
    const entities = [...entitiesOf(60), { id: 'big', notes: 'x'.repeat(3_000) }];
    const answer = await harness.post({ ...good, entities });
    expect(answer.status).toBe(400);
    expect(answer.body.error).toMatchObject({
      code: 'ENTITY_TOO_LARGE',
      details: [{ field: 'entities[60]' }],
    });
    expect(await harness.traces()).toEqual(before);
  });

  it('refuses a query parameter, which would have no effect', async () => {
    const before = await harness.traces();
    const json = { 'content-type': 'application/json' };
    const answer = await harness.upload('/bulk-actions?dryRun=true', JSON.stringify(good), json);
    expect([answer.status, answer.body.error?.code]).toEqual([400, 'INVALID_REQUEST']);
    expect(answer.body.error?.details?.map((issue) => issue.field)).toEqual(['dryRun']);
    const two = JSON.stringify({ ...good, accountId: 'acme' });
    const mismatch = await harness.upload('/bulk-actions?accountId=globex', two, {
      ...json,
      'x-account-id': '',
    });
    expect([mismatch.status, mismatch.body.error?.code]).toEqual([400, 'ACCOUNT_MISMATCH']);
    expect(await harness.traces()).toEqual(before);
  });

  it('accepts the account in the query, like every other request', async () => {
    const json = { 'content-type': 'application/json', 'x-account-id': '' };
    const answer = await harness.upload('/bulk-actions?accountId=globex', JSON.stringify(good), json);
    expect([answer.status, answer.body.data?.['accountId']]).toEqual([202, 'globex']);
  });

  it('accepts an action with an invalid entity, which fails alone', async () => {
    const { status } = await harness.post({
      ...good,
      entities: [{ id: 'c1', $where: 1, 'a.b': null, email: 7 }],
    });
    expect(status).toBe(202);
  });
});

describe('routes', () => {
  it('refuse changes from a web page of another site and still answer its reads', async () => {
    const { _id } = await harness.accepted(randomUUID(), 2, new Date('2999-01-01T00:00:00Z'));
    const from = (site: string) => ({ 'x-account-id': 'acme', 'sec-fetch-site': site });
    const refused = { status: 403, body: { success: false, error: { code: 'CROSS_SITE_REQUEST' } } };
    expect(await harness.post(good, from('cross-site'))).toMatchObject(refused);
    for (const verb of ['pause', 'resume', 'cancel', 'retry']) {
      const path = `/bulk-actions/${_id}/${verb}?accountId=acme`;
      expect(await harness.send('POST', path, { 'sec-fetch-site': 'cross-site' })).toMatchObject(refused);
    }
    const read = await harness.get(`/bulk-actions/${_id}`, from('cross-site'));
    expect([read.status, read.body.data?.['status']]).toEqual([200, 'pending']);
    for (const site of ['same-origin', 'same-site', 'none']) {
      expect(await harness.send('POST', `/bulk-actions/${_id}/pause`, from(site))).toMatchObject({
        status: 200,
      });
    }
  });

  it('answer an unknown path with an error in the envelope', async () => {
    expect(await harness.get('/nothing')).toMatchObject({
      status: 404,
      body: { error: { code: 'NOT_FOUND' } },
    });
    const wrong = await fetch(`${harness.url}/bulk-actions`, { method: 'DELETE' });
    expect(wrong.status).toBe(405);
    expect(wrong.headers.get('allow')).toContain('POST');
    expect(await wrong.json()).toMatchObject({ success: false, error: { code: 'METHOD_NOT_ALLOWED' } });
  });

  it.each(['', '/stats', '/logs', '/logs/summary'])(
    'refuse another account and an unknown id for an action%s',
    async (path) => {
      const actionId = randomUUID();
      await harness.accepted(actionId, 3, new Date('2999-01-01T00:00:00Z'));
      const of = (id: string) => `/bulk-actions/${id}${path}`;
      expect((await harness.get(of(actionId))).status).toBe(200);
      expect((await harness.get(of(actionId.toUpperCase()))).status).toBe(200);
      expect((await harness.get(`${of(actionId)}?accountId=acme`, {})).status).toBe(200);
      const refused = async (
        url: string,
        headers: Record<string, string>,
      ): Promise<[number, string | undefined]> => {
        const answer = await harness.get(url, headers);
        return [answer.status, answer.body.error?.code];
      };
      expect(await refused(of(actionId), { 'x-account-id': 'other' })).toEqual([404, 'ACTION_NOT_FOUND']);
      expect(await refused(of(randomUUID()), { 'x-account-id': 'acme' })).toEqual([404, 'ACTION_NOT_FOUND']);
      expect(await refused(of('7'), { 'x-account-id': 'acme' })).toEqual([400, 'INVALID_ID']);
      expect(await refused(of(actionId), {})).toEqual([400, 'ACCOUNT_REQUIRED']);
      expect(await refused(`${of(actionId)}?colour=red`, { 'x-account-id': 'acme' })).toEqual([
        400,
        'INVALID_REQUEST',
      ]);
    },
  );

  it('hide an upload that is not accepted', async () => {
    const actionId = randomUUID();
    await harness.accepted(actionId, 3);
    await harness.database.actions.updateOne({ _id: actionId }, { $set: { status: 'staging' } });
    expect((await harness.get(`/bulk-actions/${actionId}`)).status).toBe(404);
  });
});

describe('the logs of an action', () => {
  const actionId = randomUUID();
  const statusAt = (position: number): OutcomeStatus =>
    position % 4 === 0 ? 'failure' : position % 6 === 1 ? 'skipped' : 'success';
  const positions = Array.from({ length: 60 }, (_, i) => i);
  const of = (type?: OutcomeStatus): number[] =>
    positions.filter((position) => type === undefined || statusAt(position) === type);

  beforeAll(async () => {
    await harness.accepted(actionId, 60, new Date('2999-01-01T00:00:00Z'));
    const logs = [0, 1, 2].flatMap((partition) =>
      [0, 1].map((half): ActionLogDocument => {
        const own = positions.filter((p) => p % 3 === partition).slice(half * 10, half * 10 + 10);
        const outcomes = own.map((position) => {
          const status = statusAt(position);
          const code = status === 'success' ? null : 'SOME_CODE';
          return { position, entityId: `c${position}`, ref: null, status, code, message: code, attempts: 1 };
        });
        const count = (status: OutcomeStatus) =>
          outcomes.filter((outcome) => outcome.status === status).length;
        const batchNo = half * 3 + partition;
        return {
          _id: `${actionId}:${batchNo}`,
          actionId,
          batchNo,
          partition,
          firstPosition: own[0]!,
          lastPosition: own.at(-1)!,
          counts: { success: count('success'), failure: count('failure'), skipped: count('skipped') },
          outcomes,
          source: { partition: 0, offset: batchNo },
          at: new Date(0),
        };
      }),
    );
    await harness.database.actionLogs.insertMany(logs);
    const counts = {
      success: of('success').length,
      failure: of('failure').length,
      skipped: of('skipped').length,
    };
    await harness.database.actions.updateOne(
      { _id: actionId },
      { $set: { counts, codes: { SOME_CODE: counts.failure + counts.skipped }, status: 'completed' } },
    );
  });

  const page = async (query: string): Promise<{ positions: number[]; pagination: unknown }> => {
    const { status, body } = await harness.get(`/bulk-actions/${actionId}/logs${query}`);
    expect(status).toBe(200);
    const entries = (body.data as unknown as unknown[]).map((entry) => logEntrySchema.strict().parse(entry));
    return { positions: entries.map(({ position }) => position), pagination: body.pagination };
  };

  it('are paged in order of position', async () => {
    expect((await page('')).positions).toEqual(positions.slice(0, 50));
    expect(await page('?limit=7&skip=20')).toEqual({
      positions: positions.slice(20, 27),
      pagination: { total: 60, limit: 7, skip: 20 },
    });
    expect((await page('?skip=59')).positions).toEqual([59]);
    expect((await page('?skip=600')).positions).toEqual([]);
  });

  it('are filtered by type, with the total of the type', async () => {
    for (const type of ['success', 'failure', 'skipped'] as const) {
      const found = await page(`?type=${type}&limit=5&skip=3`);
      expect(found).toEqual({
        positions: of(type).slice(3, 8),
        pagination: { total: of(type).length, limit: 5, skip: 3 },
      });
    }
  });

  it('continue after a position until the end', async () => {
    const seen: number[] = [];
    for (let after = ''; ; after = `&after=${seen.at(-1)!}`) {
      const { positions: next } = await page(`?type=success&limit=4${after}`);
      if (next.length === 0) break;
      seen.push(...next);
    }
    expect(seen).toEqual(of('success'));
  });

  it.each([
    'limit=0',
    'limit=1001',
    'limit=x',
    'skip=-1',
    'type=bad',
    'after=-1',
    'after=1&skip=1',
    'limit=1&limit=2',
  ])('refuse ?%s and name the parameter', async (query) => {
    const { status, body } = await harness.get(`/bulk-actions/${actionId}/logs?${query}`);
    expect([status, body.error?.code]).toEqual([400, 'INVALID_REQUEST']);
    expect(body.error?.details?.[0]?.field).toBe(query.split('=')[0]);
  });

  it('are summarized, and the figures of the action agree', async () => {
    const summary = await harness.get(`/bulk-actions/${actionId}/logs/summary`);
    const counts = {
      success: of('success').length,
      failure: of('failure').length,
      skipped: of('skipped').length,
    };
    expect(summary.body.data).toEqual({
      actionId,
      ...counts,
      codes: { SOME_CODE: counts.failure + counts.skipped },
      effects: { created: 0, updated: 0, unchanged: 0, deleted: 0 },
    });
    const stats = await harness.get(`/bulk-actions/${actionId}/stats`);
    expect(actionStatsSchema.strict().parse(stats.body.data)).toMatchObject({
      ...counts,
      processed: 60,
      percent: 100,
    });
  });
});
