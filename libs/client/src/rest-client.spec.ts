import type { ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from '@jest/globals';
import { entry, givenApi, ID, stopApi, view } from '../test/api.ts';

afterEach(stopApi);

const accepted = { status: 202, body: { success: true, data: view } };
const refused = (status: number, headers: Record<string, string> = {}) => ({
  status,
  headers,
  body: { success: false, error: { code: 'NO', message: 'no' } },
});
const request = { actionType: 'update', entities: [{ id: '1' }] };
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

describe('createAction', () => {
  it.each([
    ['429', () => refused(429, { 'retry-after': '0' })],
    ['503', () => refused(503)],
    ['a conflict that says when it passes', () => refused(409, { 'retry-after': '0' })],
  ])('retries after %s with the same key', async (_what, refusal) => {
    let tries = 0;
    const { client, asked } = await givenApi(() => (++tries < 3 ? refusal() : accepted));
    expect(await client.createAction(request)).toEqual(view);
    const keys = asked.map(({ headers }) => headers['idempotency-key']);
    expect(keys).toHaveLength(3);
    expect(keys[0]).toMatch(UUID);
    expect(new Set(keys).size).toBe(1);
    expect(new Set(asked.map(({ body }) => body))).toEqual(new Set([JSON.stringify(request)]));
  });

  it('retries after a broken connection, up to the maximum number of tries', async () => {
    const { client, asked } = await givenApi(() => (response) => response.destroy(), {
      retry: { maxAttempts: 3, initialDelayMs: 1, maxDelayMs: 1 },
    });
    await expect(client.createAction(request)).rejects.toMatchObject({ code: 'NETWORK_ERROR' });
    expect(asked).toHaveLength(3);
  });

  it('uses the given key, or else a new key for each call', async () => {
    const { client, asked } = await givenApi(() => accepted);
    await client.createAction(request, { idempotencyKey: 'mine' });
    await client.createAction(request);
    await client.createAction(request);
    const keys = asked.map(({ headers }) => headers['idempotency-key']);
    expect(keys[0]).toBe('mine');
    expect(new Set(keys).size).toBe(3);
  });

  it('waits as long as the API asks', async () => {
    let tries = 0;
    const { client } = await givenApi(() =>
      ++tries === 1 ? refused(503, { 'retry-after': '1' }) : accepted,
    );
    const begin = performance.now();
    await client.createAction(request);
    expect(performance.now() - begin).toBeGreaterThanOrEqual(990);
  });

  it.each([
    ['a refusal that stays', 400, {}],
    ['a conflict', 409, {}],
    ['a wait that is too long', 503, { 'retry-after': '61' }],
  ])('does not retry after %s', async (_what, status, headers) => {
    const { client, asked } = await givenApi(() => refused(status, headers));
    await expect(client.createAction(request)).rejects.toMatchObject({ status, code: 'NO' });
    expect(asked).toHaveLength(1);
  });

  it('reports when to try again', async () => {
    const date = new Date(Date.now() + 3_600_000).toUTCString();
    const { client } = await givenApi(() => refused(503, { 'retry-after': date }));
    const error = await client.createAction(request).catch((thrown: unknown) => thrown);
    const { retryAfterMs } = error as { retryAfterMs: number };
    expect(retryAfterMs).toBeGreaterThan(3_590_000);
    expect(retryAfterMs).toBeLessThanOrEqual(3_600_000);
  });

  it('ends when it is aborted, during a request or between two', async () => {
    const silent = await givenApi(() => undefined);
    const abort = new AbortController();
    const pending = silent.client.createAction(request, { signal: abort.signal });
    abort.abort(new Error('enough'));
    await expect(pending).rejects.toMatchObject({ code: 'ABORTED', cause: new Error('enough') });
    stopApi();
    const busy = await givenApi(() => refused(503, { 'retry-after': '30' }));
    const between = new AbortController();
    const waiting = busy.client.createAction(request, { signal: between.signal });
    setTimeout(() => between.abort(), 100);
    await expect(waiting).rejects.toMatchObject({ code: 'ABORTED' });
    expect(busy.asked).toHaveLength(1);
  });
});

describe('uploadEntities', () => {
  const csv = 'id,city\n1,Bonn\n2,Köln\n';
  const bytes = new TextEncoder().encode(csv);
  async function* pieces(): AsyncGenerator<string | Uint8Array> {
    yield csv.slice(0, 10);
    await sleep(5);
    yield bytes.slice(10);
  }

  it.each([
    ['a string', () => csv],
    ['bytes', () => bytes],
    ['a stream', () => new Blob([csv]).stream()],
    ['an iterable', pieces],
  ])('sends %s, with the parameters in the query', async (_what, body) => {
    const { client, asked } = await givenApi(() => accepted);
    const action = await client.uploadEntities(
      {
        actionType: 'update',
        priority: 'low',
        dryRun: true,
        matchBy: 'externalId',
        config: { set: { a: 1 } },
        retry: { maxAttempts: 7 },
        invalidRows: 'refuse',
        columns: { City: 'city', Old: null },
      },
      body(),
      { contentType: 'text/csv', idempotencyKey: 'k' },
    );
    expect(action).toEqual(view);
    expect(asked[0]).toMatchObject({
      method: 'POST',
      body: csv,
      headers: { 'content-type': 'text/csv', 'idempotency-key': 'k' },
    });
    expect(asked[0]!.headers['content-encoding']).toBeUndefined();
    expect(Object.fromEntries(asked[0]!.url.searchParams)).toEqual({
      actionType: 'update',
      priority: 'low',
      dryRun: 'true',
      matchBy: 'externalId',
      config: '{"set":{"a":1}}',
      retry: '{"maxAttempts":7}',
      invalidRows: 'refuse',
      columns: '{"City":"city","Old":null}',
    });
  });

  it('saves, reads and deletes column mappings by name', async () => {
    const mapping = { entityType: 'contact', columns: { City: 'city', Old: null } };
    const saved = { name: 'my export/1', ...mapping, updatedAt: '2026-11-24T09:00:00.000Z' };
    const { client, asked } = await givenApi(({ method, url }) => ({
      body: { success: true, data: method === 'GET' && url.pathname.endsWith('s') ? [saved] : saved },
    }));
    expect(await client.putColumnMapping(saved.name, mapping)).toEqual(saved);
    expect(await client.getColumnMapping(saved.name)).toEqual(saved);
    expect(await client.listColumnMappings()).toEqual([saved]);
    expect(await client.deleteColumnMapping(saved.name)).toEqual(saved);
    expect(asked.map(({ method, url }) => `${method} ${url.pathname}`)).toEqual([
      'PUT /api/column-mappings/my%20export%2F1',
      'GET /api/column-mappings/my%20export%2F1',
      'GET /api/column-mappings',
      'DELETE /api/column-mappings/my%20export%2F1',
    ]);
    expect(JSON.parse(asked[0]!.body)).toEqual(mapping);
  });

  it('declares a compressed body', async () => {
    const { client, asked } = await givenApi(() => accepted);
    const options = { contentType: 'application/x-ndjson', contentEncoding: 'gzip' } as const;
    await client.uploadEntities({ actionType: 'update' }, bytes, options);
    expect(asked[0]!.headers['content-encoding']).toBe('gzip');
  });

  it.each([
    ['bytes', () => bytes, 2],
    ['a stream, which cannot be sent twice', pieces, 1],
  ])('retries a failed upload only if the body can be sent again: %s', async (_what, body, tries) => {
    const { client, asked } = await givenApi(() => refused(503), {
      retry: { maxAttempts: 2, initialDelayMs: 1, maxDelayMs: 1 },
    });
    const uploading = client.uploadEntities({ actionType: 'update' }, body(), { contentType: 'text/csv' });
    await expect(uploading).rejects.toMatchObject({ status: 503 });
    expect(asked).toHaveLength(tries);
  });

  it('waits for the answer to a filter for as long as for the answer to an upload', async () => {
    const late = (response: ServerResponse): void => {
      setTimeout(() => response.end(JSON.stringify({ success: true, data: view })), 200);
    };
    const { client } = await givenApi(() => late, { requestTimeoutMs: 50, retry: { maxAttempts: 1 } });
    const request = { actionType: 'update' };
    const filtered = { ...request, filter: { city: 'Ulm' } };
    await expect(client.createAction(filtered)).resolves.toMatchObject({ actionId: ID });
    const noAnswer = { code: 'NETWORK_ERROR' };
    await expect(client.createAction(filtered, { timeoutMs: 50 })).rejects.toMatchObject(noAnswer);
    const listed = { ...request, entities: [{ id: 'c1' }] };
    await expect(client.createAction(listed)).rejects.toMatchObject(noAnswer);
    await expect(client.createAction(listed, { timeoutMs: 5_000 })).resolves.toMatchObject({ actionId: ID });
  });

  it('gives up on an API that does not answer', async () => {
    const { client } = await givenApi(() => undefined);
    const options = { contentType: 'text/csv', timeoutMs: 50 } as const;
    await expect(client.uploadEntities({ actionType: 'update' }, pieces(), options)).rejects.toMatchObject({
      code: 'NETWORK_ERROR',
    });
  });
});

describe('lists', () => {
  it('ask for a page with the given parameters', async () => {
    const pagination = { total: 1, limit: 5, skip: 2 };
    const { client, asked } = await givenApi(() => ({ body: { success: true, data: [view], pagination } }));
    const page = await client.listActions({
      status: 'paused',
      priority: 'high',
      limit: 5,
      skip: 2,
      sort: 'total',
    });
    expect(page).toEqual({ entries: [view], pagination });
    expect(asked[0]!.url.pathname + asked[0]!.url.search).toBe(
      '/api/bulk-actions?status=paused&priority=high&limit=5&skip=2&sort=total',
    );
  });

  it('yield every action once, even if the list moves', async () => {
    const ids = Array.from(
      { length: 25 },
      (_, i) => `01920f5e-7b2a-7c3d-8e4f-${String(i).padStart(12, '0')}`,
    );
    const { client, asked } = await givenApi(({ url }) => {
      const limit = Number(url.searchParams.get('limit'));
      const skip = Number(url.searchParams.get('skip'));
      // With every page, one more action appears at the front.
      const moved = Math.max(0, skip - asked.length + 1);
      const data = ids.slice(moved, moved + limit).map((actionId) => ({ ...view, actionId }));
      return { body: { success: true, data, pagination: { total: ids.length, limit, skip } } };
    });
    const seen: string[] = [];
    for await (const { actionId } of client.iterateActions({ limit: 10 })) seen.push(actionId);
    expect(seen).toEqual(ids);
  });

  it('count the actions of each status', async () => {
    const summary = {
      pending: 0,
      queued: 1,
      processing: 2,
      paused: 3,
      completed: 4,
      failed: 5,
      cancelled: 6,
    };
    const { client, asked } = await givenApi(() => ({ body: { success: true, data: summary } }));
    expect(await client.getStatusSummary()).toEqual(summary);
    expect(asked[0]!.url.pathname).toBe('/api/bulk-actions/status/summary');
  });
});

describe('control', () => {
  it('can send corrected results again, as a retry of their action', async () => {
    const { client, asked } = await givenApi(() => accepted);
    const text = 'id,_row\n1,1\n';
    await client.uploadCorrected(ID, text, { delimiter: 'comma', idempotencyKey: 'mine' });
    expect(asked[0]).toMatchObject({
      method: 'POST',
      body: text,
      headers: { 'content-type': 'text/csv', 'idempotency-key': 'mine' },
    });
    expect(Object.fromEntries(asked[0]!.url.searchParams)).toEqual({ retryOf: ID, delimiter: 'comma' });
  });

  it('can iterate over results with what was sent', async () => {
    const row = { ...entry(1), input: { id: 'c1', city: 'Bonn' } };
    const { client, asked } = await givenApi(() => (response) => response.end(`${JSON.stringify(row)}\n`));
    const rows = [];
    for await (const each of client.iterateResults(ID, { include: 'input' })) rows.push(each);
    expect(rows).toEqual([row]);
    expect(asked[0]!.url.searchParams.get('include')).toBe('input');
  });

  it('can retry codes and corrected rows, with a key for the call', async () => {
    let tries = 0;
    const { client, asked } = await givenApi(() =>
      ++tries === 1 ? refused(409, { 'retry-after': '0' }) : accepted,
    );
    const demand = { codes: ['VERSION_CONFLICT'], entities: [{ position: 3, city: 'Bonn' }] };
    expect(await client.retryAction(ID, demand, { idempotencyKey: 'mine' })).toEqual(view);
    const asking = `POST /api/bulk-actions/${ID}/retry ${JSON.stringify(demand)}`;
    expect(asked.map(({ method, url, body }) => `${method} ${url.pathname} ${body}`)).toEqual([
      asking,
      asking,
    ]);
    expect(asked.map(({ headers }) => headers['idempotency-key'])).toEqual(['mine', 'mine']);
  });

  it.each(['cancel', 'pause', 'resume', 'retry'] as const)(
    'can %s an action without a retry',
    async (what) => {
      let status = what === 'retry' ? 202 : 200;
      const { client, asked } = await givenApi(() =>
        status < 300 ? { status, body: { success: true, data: view } } : refused(status),
      );
      expect(await client[`${what}Action`](ID)).toEqual(view);
      expect(asked[0]).toMatchObject({ method: 'POST', body: '' });
      expect(asked[0]!.url.pathname).toBe(`/api/bulk-actions/${ID}/${what}`);
      status = 503;
      await expect(client[`${what}Action`](ID)).rejects.toMatchObject({ status });
      expect(asked).toHaveLength(2);
    },
  );

  it('can undo an action, or only predict the undo', async () => {
    const { client, asked } = await givenApi(() => accepted);
    expect(await client.undo(ID)).toEqual(view);
    await client.undo(ID, { dryRun: true });
    expect(asked.map(({ method, url }) => [method, url.pathname, url.search])).toEqual([
      ['POST', `/api/bulk-actions/${ID}/undo`, ''],
      ['POST', `/api/bulk-actions/${ID}/undo`, '?dryRun=true'],
    ]);
  });
});

describe('results', () => {
  it('arrive unchanged, piece by piece', async () => {
    const { client, asked } = await givenApi(() => (response) => {
      response.write('position,ö');
      setTimeout(() => response.end('\n1,2\n'), 20);
    });
    const parts: string[] = [];
    for await (const part of client.results(ID, {
      format: 'csv',
      code: ['A', 'B'],
      ref: 'row 1',
      exact: true,
    }))
      parts.push(part);
    expect(parts.length).toBeGreaterThan(1);
    expect(parts.join('')).toBe('position,ö\n1,2\n');
    expect(asked[0]!.url.pathname + asked[0]!.url.search).toBe(
      `/api/bulk-actions/${ID}/results.csv?code=A%2CB&ref=row+1&exact=true`,
    );
  });

  it('are parsed however the text is split', async () => {
    const entries = Array.from({ length: 50 }, (_, i) => ({ ...entry(i), message: 'größer' }));
    const bytes = Buffer.from(`${entries.map((one) => JSON.stringify(one)).join('\n')}\n`);
    const { client } = await givenApi(() => (response) => {
      let at = 0;
      const write = (): void => {
        if (at >= bytes.length) response.end();
        else {
          response.write(bytes.subarray(at, (at += 997)));
          setImmediate(write);
        }
      };
      write();
    });
    const seen = [];
    for await (const one of client.iterateResults(ID)) seen.push(one);
    expect(seen).toEqual(entries);
  });

  it('end with an error when they break off, are refused, become silent or are malformed', async () => {
    const line = `${JSON.stringify(entry(0))}\n`;
    const answers: Record<string, (response: ServerResponse) => void> = {
      NETWORK_ERROR: (response) => {
        response.write(line);
        setTimeout(() => response.destroy(), 20);
      },
      NO: (response) =>
        void response.writeHead(404).end('{"success":false,"error":{"code":"NO","message":"no"}}'),
      SILENCE: (response) => void response.write(line),
      INVALID_ANSWER: (response) => void response.end('{"position":"one"}\n'),
    };
    for (const [code, answer] of Object.entries(answers)) {
      const { client } = await givenApi(() => answer, { requestTimeoutMs: 200 });
      const reading = (async () => {
        for await (const { position } of client.iterateResults(ID)) expect(position).toBe(0);
      })();
      await expect(reading).rejects.toMatchObject({ code: code === 'SILENCE' ? 'NETWORK_ERROR' : code });
      stopApi();
    }
  });

  it('end with an error that gives the reason when their last row says that they are incomplete', async () => {
    const mark = { status: 'incomplete', code: 'SERVICE_STOPPING', message: 'the service is stopping' };
    const { client } = await givenApi(() => (response) => {
      response.write(`${JSON.stringify(entry(0))}\n${JSON.stringify(mark)}\n`);
      setTimeout(() => response.destroy(), 50);
    });
    const positions: number[] = [];
    const reading = (async () => {
      for await (const { position } of client.iterateResults(ID)) positions.push(position);
    })();
    await expect(reading).rejects.toMatchObject({
      code: 'INVALID_ANSWER',
      message: 'the results are incomplete: the service is stopping',
    });
    expect(positions).toEqual([0]);
  });

  it('release the connection when the reader stops', async () => {
    const responses: ServerResponse[] = [];
    const { client } = await givenApi(() => (response) => {
      responses.push(response);
      response.write(`${JSON.stringify(entry(0))}\n`);
    });
    for await (const { position } of client.iterateResults(ID)) {
      expect(position).toBe(0);
      break;
    }
    const [response] = responses;
    if (!response!.destroyed) await new Promise((resolve) => response!.once('close', resolve));
    expect(response!.writableFinished).toBe(false);
  });

  it('wait for a slow reader', async () => {
    const { client } = await givenApi(
      () => (response) => {
        response.write(`${JSON.stringify(entry(0))}\n`);
        setTimeout(() => response.end(`${JSON.stringify(entry(1))}\n`), 50);
      },
      { requestTimeoutMs: 150 },
    );
    const positions: number[] = [];
    for await (const { position } of client.iterateResults(ID)) {
      positions.push(position);
      await sleep(300);
    }
    expect(positions).toEqual([0, 1]);
  });
});

describe('a token of the REST client', () => {
  it('is requested for each request and replaces the account', async () => {
    let asks = 0;
    const { client, asked } = await givenApi(() => accepted, {
      accountId: undefined,
      token: () => Promise.resolve(`t${++asks}`),
    } as object);
    await client.getAction(ID);
    await client.createAction(request);
    expect(asked.map(({ headers }) => headers.authorization)).toEqual(['Bearer t1', 'Bearer t2']);
    expect(asked[0]!.headers['x-account-id']).toBeUndefined();
  });

  it('fails the call with its own error when it cannot be obtained', async () => {
    const { client, asked } = await givenApi(() => accepted, {
      token: () => Promise.reject(new Error('logged out')),
    });
    await expect(client.getAction(ID)).rejects.toThrow('logged out');
    expect(asked).toEqual([]);
  });
});
