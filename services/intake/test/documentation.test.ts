import { once } from 'node:events';
import { createServer, request, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';
import { Parser } from '@asyncapi/parser';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { cacheFolder, provideChromium } from '@bulk/local-stack';
import { chromium, type Browser, type Page } from 'playwright-core';
import { z } from 'zod';
import { IntakeHarness } from './harness.ts';

const PROVISIONING_MS = 300_000;
const documentSchema = z.object({
  openapi: z.string(),
  paths: z.record(z.string(), z.record(z.string(), z.object({ operationId: z.string() }))),
});

let harness: IntakeHarness;
beforeAll(async () => {
  harness = await IntakeHarness.create();
  await harness.start();
});
afterAll(() => harness.installation.dispose());

/** Returns the bytes as they arrive, without fetch's own decoding. */
async function raw(
  path: string,
  headers: Record<string, string> = {},
): Promise<{ status: number; headers: Record<string, unknown>; body: Buffer }> {
  const { hostname, port } = new URL(harness.url);
  const asked = request({ hostname, port, path, headers }).end();
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return { status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) };
}

describe('the documents', () => {
  it('are served as JSON and answered with 304 when the client has them', async () => {
    for (const name of ['openapi.json', 'asyncapi.json']) {
      const first = await fetch(`${harness.url}/api/${name}`);
      expect([first.status, first.headers.get('content-type')]).toEqual([
        200,
        'application/json; charset=utf-8',
      ]);
      expect(first.headers.get('x-request-id')).toMatch(/.+/);
      const again = await raw(`/api/${name}`, { 'if-none-match': first.headers.get('etag')! });
      expect([again.status, again.body.length]).toEqual([304, 0]);
    }
  });

  it('of topics and WebSocket are valid AsyncAPI without a warning', async () => {
    const text = await (await fetch(`${harness.url}/api/asyncapi.json`)).text();
    const { document, diagnostics } = await new Parser().parse(text);
    expect(diagnostics.map(({ message }) => message)).toEqual([]);
    const { topics } = harness.installation;
    const addresses = document!
      .channels()
      .all()
      .map((channel) => channel.address());
    expect(addresses).toEqual(
      expect.arrayContaining([topics.results, topics.progress, topics.entityBatches.low, '/']),
    );
  });
});

describe('the documentation page', () => {
  it('may load nothing from another host, and its files can be cached for good', async () => {
    const page = await fetch(`${harness.url}/api`);
    const html = await page.text();
    expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
    expect(page.headers.get('content-security-policy')).toContain(
      "default-src 'none'; script-src 'self'; style-src 'self'",
    );
    const urls = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, url]) => url!);
    expect(urls).toHaveLength(6);
    for (const url of urls) {
      expect(url).toMatch(/^api\/[a-z0-9.-]+(\?v=[0-9a-f]{16})?$/);
      const file = await fetch(`${harness.url}/${url}`);
      expect([url, file.status]).toEqual([url, 200]);
      expect(file.headers.get('x-content-type-options')).toBe('nosniff');
      const expected = url.includes('?v=') ? 'public, max-age=31536000, immutable' : 'no-cache';
      expect(file.headers.get('cache-control')).toBe(expected);
    }
    const other = await fetch(`${harness.url}/api/swagger-ui.css?v=0000000000000000`);
    expect(other.headers.get('cache-control')).toBe('no-cache');
  });

  it('has its files compressed for clients that accept it, and answered with 304 for clients that have them', async () => {
    const plain = await raw('/api/swagger-ui-bundle.js');
    const gzipped = await raw('/api/swagger-ui-bundle.js', { 'accept-encoding': 'gzip' });
    expect([plain.headers['content-encoding'], gzipped.headers['content-encoding']]).toEqual([
      undefined,
      'gzip',
    ]);
    expect(gunzipSync(gzipped.body).equals(plain.body)).toBe(true);
    expect(gzipped.body.length).toBeLessThan(plain.body.length / 2);
    const known = { 'accept-encoding': 'gzip', 'if-none-match': String(gzipped.headers['etag']) };
    const again = await raw('/api/swagger-ui-bundle.js', known);
    expect([again.status, again.body.length, again.headers['content-encoding']]).toEqual([304, 0, undefined]);
  });

  it.each([
    '/api/package.json',
    '/api/index.html',
    '/api/../package.json',
    '/api/..%2f..%2fpackage.json',
    '/api/%2e%2e%2fpackage.json',
    '/api/swagger-ui.css%00.js',
    '/api//etc/passwd',
    '/api/__proto__',
    '/api/swagger-ui.css/x',
  ])('has no file %s', async (path) => {
    const { status, body } = await raw(path);
    expect(status).toBe(404);
    expect(JSON.parse(body.toString())).toMatchObject({ success: false, error: { code: 'NOT_FOUND' } });
  });

  it('refuses another method with an error in the envelope', async () => {
    const answer = await fetch(`${harness.url}/api`, { method: 'POST' });
    expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'HEAD, GET']);
  });
});

describe('the documentation page in a browser', () => {
  let browser: Browser;
  let proxy: Server;
  beforeAll(async () => {
    const executablePath = await provideChromium({
      cache: cacheFolder(),
      env: process.env,
      log: console.log,
    });
    browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
    proxy = createServer((incoming, outgoing) => {
      const { hostname, port } = new URL(harness.url);
      const { method, headers } = incoming;
      if (incoming.url?.startsWith('/crm/') !== true) {
        outgoing.writeHead(418).end();
        return;
      }
      const onward = request({ hostname, port, path: incoming.url.slice(4), method, headers }, (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(outgoing);
      });
      incoming.pipe(onward);
    });
    await once(proxy.listen(0, '127.0.0.1'), 'listening');
  }, PROVISIONING_MS);
  afterAll(async () => {
    await browser.close();
    proxy.closeAllConnections();
    proxy.close();
  });

  /** Opens a page that records what must not happen: errors, and requests to other hosts. */
  async function open(url: string): Promise<{ page: Page; wrong: string[] }> {
    const page = await browser.newPage();
    const wrong: string[] = [];
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') wrong.push(message.text());
    });
    page.on('pageerror', (error) => wrong.push(String(error)));
    page.on('request', (asked) => {
      const { protocol, host } = new URL(asked.url());
      if (protocol !== 'data:' && host !== new URL(url).host) wrong.push(asked.url());
    });
    await page.goto(url);
    await page.waitForSelector('.opblock');
    return { page, wrong };
  }

  async function expand(page: Page, operationId: string, tag: string): Promise<string> {
    const block = `#operations-${tag}-${operationId}`;
    await page.click(`${block} .opblock-summary-control`);
    await page.waitForSelector(`${block} .execute`);
    return block;
  }

  it('shows every operation without an error and without another host', async () => {
    const { paths } = documentSchema.parse(await (await fetch(`${harness.url}/api/openapi.json`)).json());
    const expected = Object.values(paths).flatMap((item) =>
      Object.values(item).map(({ operationId }) => operationId),
    );
    expect(expected.length).toBeGreaterThanOrEqual(5);
    const { page, wrong } = await open(`${harness.url}/api/`);
    const ids = await Promise.all(
      (await page.locator('.opblock').all()).map((block) => block.getAttribute('id')),
    );
    expect(ids.map((id) => id?.split('-').at(-1)).sort()).toEqual(expected.sort());
    expect(await page.textContent('.info .title')).toContain('Bulk Action Platform');
    await page.waitForSelector('section.models');
    expect(await page.textContent('section.models')).toContain('ContactPatch');
    await page.click('a:has-text("as AsyncAPI")');
    expect(page.url()).toBe(`${harness.url}/api/asyncapi.json`);
    expect(wrong).toEqual([]);
    await page.close();
  });

  it('runs an example unchanged and shows what is wrong with a bad request', async () => {
    const { page, wrong } = await open(`${harness.url}/api`);
    const block = await expand(page, 'createAction', 'Actions');
    await page.click(`${block} .execute`);
    const live = `${block} .live-responses-table .response`;
    await page.waitForSelector(live);
    expect(await page.textContent(`${live} .response-col_status`)).toContain('202');
    const accepted = (await page.textContent(`${live} .response-col_description`)) ?? '';
    expect(accepted).toMatch(/"accountId": "demo"/);
    const actionId = /"actionId": "([^"]+)"/.exec(accepted)?.[1] ?? '';
    expect((await harness.get(`/bulk-actions/${actionId}`, { 'x-account-id': 'demo' })).status).toBe(200);
    expect(wrong).toEqual([]);

    await page.fill(`${block} textarea.body-param__text`, '{ "actionType": "update", "entity": [] }');
    await page.click(`${block} .execute`);
    await page.waitForSelector(`${live} .response-col_status:has-text("400")`);
    const refused = (await page.textContent(`${live} .response-col_description`)) ?? '';
    for (const part of [
      'INVALID_REQUEST',
      '"field": "entities"',
      'expected a list of at least one entity',
      '"field": "entity"',
      'unknown field',
    ]) {
      expect(refused).toContain(part);
    }
    await page.close();
  });

  it('works behind the prefix of a proxy', async () => {
    const { port } = proxy.address() as AddressInfo;
    for (const path of ['/crm/api', '/crm/api/']) {
      const { page, wrong } = await open(`http://127.0.0.1:${port}${path}`);
      const block = await expand(page, 'createAction', 'Actions');
      await page.click(`${block} .execute`);
      const live = `${block} .live-responses-table .response`;
      await page.waitForSelector(live);
      expect(await page.textContent(`${live} .response-col_status`)).toContain('202');
      expect(wrong).toEqual([]);
      await page.close();
    }
  });
});
