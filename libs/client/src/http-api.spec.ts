import { afterEach, describe, expect, it } from '@jest/globals';
import { entry, givenApi, ID, stopApi, view } from '../test/api.ts';
import { BulkClient } from './client.ts';

afterEach(stopApi);

describe('BulkClient over HTTP', () => {
  it('creates an action for its account under the base URL', async () => {
    const { client, asked } = await givenApi(() => ({ status: 202, body: { success: true, data: view } }));
    const request = { actionType: 'update', entities: [{ id: '1', lastName: 'Noether' }] };
    expect(await client.createAction(request)).toEqual(view);
    expect(asked[0]).toMatchObject({
      method: 'POST',
      headers: { 'x-account-id': 'acme', 'content-type': 'application/json' },
      body: JSON.stringify(request),
    });
    expect(asked[0]!.url.pathname).toBe('/api/bulk-actions');
  });

  it('walks the logs page by page, by position', async () => {
    const total = 25;
    const { client, asked } = await givenApi(({ url }) => {
      const after = Number(url.searchParams.get('after') ?? -1);
      const limit = Number(url.searchParams.get('limit'));
      const data = Array.from({ length: total }, (_, i) => entry(i)).slice(after + 1, after + 1 + limit);
      return { body: { success: true, data, pagination: { total, limit, skip: 0 } } };
    });
    const positions = [];
    for await (const { position } of client.iterateLogs(ID, { limit: 10, type: 'success' }))
      positions.push(position);
    expect(positions).toEqual(Array.from({ length: total }, (_, i) => i));
    expect(asked.map(({ url }) => url.search)).toEqual([
      '?limit=10&type=success',
      '?limit=10&type=success&after=9',
      '?limit=10&type=success&after=19',
    ]);
  });

  it('follows the pages of a running action across an empty page up to its progress', async () => {
    const pages: Record<string, { data: unknown[]; more: boolean; next?: number }> = {
      '?limit=10&type=failure': { data: [entry(3)], more: true, next: 20_000 },
      '?limit=10&type=failure&after=20000': { data: [], more: true, next: 40_000 },
      '?limit=10&type=failure&after=40000': { data: [entry(40_003)], more: true, next: 40_005 },
      '?limit=10&type=failure&after=40005': { data: [], more: true, next: 40_005 },
    };
    const { client } = await givenApi(({ url }) => {
      const { data, ...more } = pages[url.search]!;
      return { body: { success: true, data, pagination: { total: 2, limit: 10, skip: 0, ...more } } };
    });
    const positions = [];
    for await (const { position } of client.iterateLogs(ID, { limit: 10, type: 'failure' }))
      positions.push(position);
    expect(positions).toEqual([3, 40_003]);
  });

  it('throws the error of the API when it refuses', async () => {
    const details = { issues: [{ field: 'entities', message: 'expected at least one entity' }] };
    const { client } = await givenApi(() => ({
      status: 400,
      headers: { 'x-request-id': 'r-1' },
      body: { success: false, error: { code: 'INVALID_BODY', message: 'no', details } },
    }));
    await expect(client.getStats(ID)).rejects.toMatchObject({
      name: 'BulkApiError',
      status: 400,
      code: 'INVALID_BODY',
      message: 'no',
      details,
      requestId: 'r-1',
      retryable: false,
    });
  });

  it('throws an error for a refusal that is not the API’s own', async () => {
    const { client } = await givenApi(() => ({ status: 503, body: '<html>' }));
    await expect(client.getAction(ID)).rejects.toMatchObject({
      code: 'HTTP_503',
      status: 503,
      retryable: true,
      requestId: null,
    });
  });

  it.each([
    ['no JSON', 'hello'],
    ['another shape', { success: true, data: { ...view, status: 'dancing' } }],
    ['no envelope', view],
  ])('refuses an answer with %s', async (_what, body) => {
    const { client } = await givenApi(() => ({ body }));
    await expect(client.getAction(ID)).rejects.toMatchObject({ code: 'INVALID_ANSWER' });
  });

  it('gives up on an API that does not answer', async () => {
    const { client } = await givenApi(() => undefined, { requestTimeoutMs: 100 });
    await expect(client.getLogSummary(ID)).rejects.toMatchObject({
      code: 'NETWORK_ERROR',
      retryable: true,
    });
  });

  it('refuses invalid arguments', () => {
    const make = (options: object) => () =>
      new BulkClient({ baseUrl: 'http://host', accountId: 'acme', ...options });
    expect(make({ accountId: 'a:b' })).toThrow(/accountId: expected/);
    expect(make({ baseUrl: 'host:3000' })).toThrow(/baseUrl: expected a URL/);
    expect(make({ websocketUrl: 'http://host' })).toThrow(/websocketUrl: expected a URL/);
    expect(make({})).not.toThrow();
  });
});
