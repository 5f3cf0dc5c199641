import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import type { ActionView, LogEntry } from '@bulk/contracts';
import { BulkClient } from './client.ts';

const ID = '01920f5e-7b2a-7c3d-8e4f-5a6b7c8d9e0f';
const AT = '2026-11-24T10:00:00.000Z';

interface Asked {
  readonly method: string;
  readonly url: URL;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

let server: Server | undefined;
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
  server = undefined;
});

/** An API that answers as told, and a client of it; `asked` is what the client asked. */
async function given(
  answer: (asked: Asked) => { status?: number; headers?: Record<string, string>; body: unknown } | undefined,
  requestTimeoutMs = 5_000,
) {
  const asked: Asked[] = [];
  const running = createServer((request, response) => {
    let body = '';
    request.on('data', (part: Buffer) => (body += part.toString()));
    request.on('end', () => {
      const url = new URL(request.url!, 'http://host');
      const one = { method: request.method!, url, headers: request.headers, body };
      asked.push(one);
      const told = answer(one);
      if (told === undefined) return;
      response.writeHead(told.status ?? 200, { 'content-type': 'application/json', ...told.headers });
      response.end(typeof told.body === 'string' ? told.body : JSON.stringify(told.body));
    });
  });
  server = running;
  await new Promise<void>((resolve) => running.listen(0, resolve));
  const baseUrl = `http://127.0.0.1:${(running.address() as AddressInfo).port}/api/`;
  return { asked, client: new BulkClient({ baseUrl, accountId: 'acme', requestTimeoutMs }) };
}

const view: ActionView = {
  actionId: ID,
  accountId: 'acme',
  actionType: 'update',
  entityType: 'contact',
  priority: 'normal',
  config: {},
  dryRun: false,
  retryOf: null,
  cancelling: false,
  callbackUrl: null,
  callback: null,
  status: 'pending',
  total: 1,
  processed: 0,
  success: 0,
  failure: 0,
  skipped: 0,
  percent: 0,
  scheduledFor: null,
  created: AT,
  queued: null,
  started: null,
  finished: null,
};

function entry(position: number): LogEntry {
  return {
    position,
    entityId: `e${position}`,
    ref: null,
    status: 'success',
    code: null,
    message: null,
    attempts: 1,
    at: AT,
  };
}

describe('BulkClient over HTTP', () => {
  it('creates an action for its account, below the base URL', async () => {
    const { client, asked } = await given(() => ({ status: 202, body: { success: true, data: view } }));
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
    const { client, asked } = await given(({ url }) => {
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

  it('throws what the API says when it refuses', async () => {
    const details = { issues: [{ field: 'entities', message: 'expected at least one entity' }] };
    const { client } = await given(() => ({
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

  it('makes an error of a refusal that is not the API’s own', async () => {
    const { client } = await given(() => ({ status: 503, body: '<html>' }));
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
  ])('does not pass on an answer of %s', async (_what, body) => {
    const { client } = await given(() => ({ body }));
    await expect(client.getAction(ID)).rejects.toMatchObject({ code: 'INVALID_ANSWER' });
  });

  it('does not wait for ever', async () => {
    const { client } = await given(() => undefined, 100);
    await expect(client.getLogSummary(ID)).rejects.toMatchObject({
      code: 'NETWORK_ERROR',
      retryable: true,
    });
  });

  it('refuses arguments that cannot be meant', () => {
    const make = (options: object) => () =>
      new BulkClient({ baseUrl: 'http://host', accountId: 'acme', ...options });
    expect(make({ accountId: 'a:b' })).toThrow(/accountId: expected/);
    expect(make({ baseUrl: 'host:3000' })).toThrow(/baseUrl: expected a URL/);
    expect(make({ websocketUrl: 'http://host' })).toThrow(/websocketUrl: expected a URL/);
    expect(make({})).not.toThrow();
  });
});
