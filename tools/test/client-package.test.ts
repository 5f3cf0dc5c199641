import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createContext, runInContext } from 'node:vm';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { eventually } from '@bulk/testing';
import { build } from 'esbuild';
import { noteSkipped } from '../src/checks/skipped.ts';
import { PackedClient } from './packed-client.ts';

const GROUP = 'the package of the client';
const TITLE = 'is installed from its packed file with its dependencies';
const ID = '01920f5e-7b2a-7c3d-8e4f-5a6b7c8d9e0f';

/** Uses REST, the validation of answers, and the WebSocket of `ws`. */
const NODE_PROGRAM = `
  import { BulkApiError, BulkClient, CodedError, type ActionsPage, type ActionView } from '@bulk/client';

  const client = new BulkClient({
    baseUrl: process.argv[2] ?? '',
    accountId: 'acme',
    reconnect: { maxAttempts: 1 },
  });
  const page: ActionsPage = await client.listActions({ status: 'pending', sort: '-createdAt' });
  const refusal: unknown = await client.getAction('${ID}').then(({ status }: ActionView) => status, (error: unknown) => error);
  const lost: unknown = await client.waitForCompletion('${ID}').then(({ percent }) => percent, (error: unknown) => error);
  client.close();
  console.log(JSON.stringify({
    total: page.pagination.total,
    refusal: refusal instanceof BulkApiError && [refusal.status, refusal.code],
    lost: lost instanceof CodedError && [lost.code, lost.message],
  }));
`;

const BROWSER_PROGRAM = `
  import { connect, type ActionUpdate } from '@bulk/client';

  const show = ({ status, percent }: ActionUpdate): void => console.log(status, percent);
  connect('wss://bulk.example', { accountId: 'acme' }).on('actionUpdate', show).emit('subscribe', '${ID}');
`;

const WRONG_PROGRAM = `
  import { BulkClient } from '@bulk/client';

  const client = new BulkClient({ baseUrl: 7 });
  await client.createAction({ actionType: 'update', entities: 'all' });
  (await client.getAction('${ID}')).status = 'unknown';
  client.cancel();
`;

// The compiler takes a second alone, and many on a busy machine.
jest.setTimeout(180_000);

const installed = await PackedClient.install();

describe(GROUP, () => {
  if (typeof installed === 'string') {
    noteSkipped({ name: `${GROUP} ${TITLE}`, reason: installed });
    it.todo(TITLE);
    return;
  }
  let forBrowser: { messages: string; inputs: string[]; script: string };
  beforeAll(async () => {
    const messages = await installed.compile('in-browser', BROWSER_PROGRAM, 'browser');
    forBrowser = { messages, ...(await bundleForBrowser(join(installed.folder, 'in-browser.js'))) };
  });
  afterAll(() => installed.dispose());

  it(TITLE, () => {
    expect(installed.packed).toEqual(
      expect.arrayContaining(['LICENSE', 'README.md', 'browser.js', 'index.js', 'types/client/index.d.ts']),
    );
    expect(installed.packed.filter((path) => path.includes('.spec.') || path.includes('kafka'))).toEqual([]);
  });

  it('compiles strictly and runs in Node', async () => {
    expect(await installed.compile('on-node', NODE_PROGRAM, 'node')).toBe('');
    const api = await startApi();
    try {
      expect(JSON.parse(await installed.run('on-node', api.url))).toEqual({
        total: 0,
        refusal: [404, 'ACTION_NOT_FOUND'],
        // These are the words of `ws`. The WebSocket of Node gives no reason.
        lost: ['CONNECTION_LOST', expect.stringContaining('Unexpected server response: 503')],
      });
    } finally {
      api.close();
    }
  });

  it('compiles strictly for a browser, and its bundle has neither ws nor a module of Node', () => {
    const { messages, inputs, script } = forBrowser;
    expect(messages).toBe('');
    expect(inputs.filter((path) => /@bulk\/client\//.test(path))).toEqual([
      expect.stringMatching(/@bulk\/client\/browser\.js$/),
    ]);
    expect(inputs.filter((path) => /node_modules\/ws\//.test(path))).toEqual([]);
    expect(script).not.toMatch(/\brequire\(|\bfrom\s*["']|\bimport\(|["']node:/);
  });

  it.each([
    ['in a browser', undefined],
    ['where a bundler imitates the process of Node', { versions: { node: '20.0.0' }, env: {} }],
  ])("uses the platform's own WebSocket %s", async (_where, imitation) => {
    const opened: string[] = [];
    class OwnWebSocket extends EventTarget {
      constructor(url: string) {
        super();
        opened.push(url);
      }
    }
    const page = {
      WebSocket: OwnWebSocket,
      URL,
      console,
      setInterval: () => 0,
      clearInterval: () => undefined,
    };
    runInContext(
      forBrowser.script,
      createContext({ ...page, ...(imitation !== undefined && { process: imitation }) }),
    );
    await eventually('the WebSocket is opened', () => opened.length > 0);
    expect(opened).toEqual(['wss://bulk.example/?accountId=acme']);
  });

  it('does not compile a program with wrong types', async () => {
    const messages = await installed.compile('wrong', WRONG_PROGRAM, 'node');
    const found = messages
      .split('\n')
      .flatMap((line) => /^wrong\.ts\((\d+),\d+\): error TS/.exec(line)?.[1] ?? []);
    expect([...new Set(found)]).toEqual(['4', '5', '6', '7']);
    // Every error is one of the program, and none is one of the declarations.
    expect(messages.match(/error TS/g)).toHaveLength(found.length);
  });
});

/** Starts an API that has no action and no WebSocket. */
async function startApi(): Promise<{ url: string; close: () => void }> {
  const server = createServer(({ url }, response) => {
    const list = new URL(url ?? '/', 'http://host').pathname.endsWith('/bulk-actions');
    response.writeHead(list ? 200 : 404, { 'content-type': 'application/json' });
    response.end(
      JSON.stringify(
        list
          ? { success: true, data: [], pagination: { total: 0, limit: 50, skip: 0 } }
          : { success: false, error: { code: 'ACTION_NOT_FOUND', message: 'no such action' } },
      ),
    );
  });
  server.on('upgrade', (_request, socket) =>
    socket.end('HTTP/1.1 503 Unavailable\r\ncontent-length: 0\r\n\r\n'),
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const close = (): void => {
    server.closeAllConnections();
    server.close();
  };
  return { url: `http://127.0.0.1:${port}`, close };
}

/** Bundles a program as a script for browsers. esbuild refuses modules of Node there. */
async function bundleForBrowser(entry: string): Promise<{ inputs: string[]; script: string }> {
  const { metafile, outputFiles } = await build({
    entryPoints: [entry],
    bundle: true,
    platform: 'browser',
    format: 'iife',
    minifyWhitespace: true,
    metafile: true,
    write: false,
    logLevel: 'silent',
  });
  return { inputs: Object.keys(metafile.inputs), script: outputFiles[0]?.text ?? '' };
}
