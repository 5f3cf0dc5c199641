import { once } from 'node:events';
import { connect } from 'node:net';
import { Agent, request, type IncomingMessage } from 'node:http';
import { networkInterfaces } from 'node:os';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { delay } from '@bulk/runtime';
import { eventually, inProcessService } from '@bulk/testing';
import { startIntake } from '../src/container.ts';
import { IntakeHarness } from './harness.ts';

let harness: IntakeHarness;
beforeAll(async () => {
  harness = await IntakeHarness.create();
  // Node counts the wait for headers from the connection: a shorter time also ends requests that a busy process reads late.
  await harness.start({ HEADERS_TIMEOUT_MS: '1500', REQUEST_TIMEOUT_MS: '2000', MAX_HEADER_BYTES: '4096' });
});
afterAll(() => harness.installation.dispose());

const action = { actionType: 'update', entities: [{ id: 'c1', lastName: 'A' }] };

/** Writes raw bytes and returns everything that arrives until the server closes the connection. */
function raw(text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(new URL(harness.url).port), '127.0.0.1', () => socket.write(text));
    let answer = '';
    socket.on('data', (chunk) => (answer += chunk.toString()));
    socket.on('close', () => resolve(answer));
    socket.on('error', reject);
  });
}

const envelope = (answer: string): unknown => JSON.parse(answer.slice(answer.indexOf('\r\n\r\n') + 4));

/** Returns whether a server answers on a port of an address of this machine. */
async function answers(host: string, port: number): Promise<boolean> {
  const socket = connect({ host, port });
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

describe('the HTTP server', () => {
  it('answers on the addresses of HOST and ADMIN_HOST and on no other address of the machine', async () => {
    const service = inProcessService();
    harness.installation.onDispose(() => service.stop());
    const config = harness.config({ HOST: '127.0.0.1', ADMIN_HOST: '127.0.0.1' });
    const { port, adminPort } = await startIntake(config, service.context);
    // All of 127.0.0.0/8 belongs to the machine.
    const others = Object.values(networkInterfaces()).flatMap((all = []) =>
      all.filter(({ family, internal }) => family === 'IPv4' && !internal).map(({ address }) => address),
    );
    for (const address of ['127.0.0.2', ...others]) {
      for (const own of [port, adminPort]) {
        expect([address, await answers('127.0.0.1', own), await answers(address, own)]).toEqual([
          address,
          true,
          false,
        ]);
      }
    }
    await service.stop();
  });

  it.each([
    [
      'headers that are too large',
      `GET / HTTP/1.1\r\nx: ${'x'.repeat(5_000)}\r\n\r\n`,
      431,
      'HEADERS_TOO_LARGE',
    ],
    ['headers that do not come to an end', 'GET / HTTP/1.1\r\nx: y', 408, 'REQUEST_TIMEOUT'],
    ['what is not HTTP', 'hello\r\n\r\n', 400, 'INVALID_HTTP'],
  ])('refuses %s in the envelope', async (_what, text, status, code) => {
    const answer = await raw(text);
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(envelope(answer)).toMatchObject({ success: false, error: { code } });
  });

  it('gives up on a body that never ends', async () => {
    const before = await harness.traces();
    const answer = await raw(
      'POST /bulk-actions HTTP/1.1\r\nhost: h\r\nx-account-id: acme\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{',
    );
    expect(answer).toMatch(/^HTTP\/1.1 4/);
    expect(await harness.traces()).toEqual(before);
  });

  it('accepts an upload that keeps sending beyond the time limit of its body', async () => {
    const { hostname, port } = new URL(harness.url);
    const sent = request({
      hostname,
      port,
      method: 'POST',
      path: '/bulk-actions?actionType=update',
      headers: { 'content-type': 'text/csv', 'x-account-id': 'acme' },
    });
    const answered = once(sent, 'response') as Promise<[IncomingMessage]>;
    const startedAt = performance.now();
    sent.write('id,lastName\n');
    for (let row = 0; performance.now() - startedAt < 3_000; row += 1) {
      sent.write(`c${row},Name\n`);
      await delay(200);
    }
    sent.end();
    const [response] = await answered;
    response.resume();
    expect(response.statusCode).toBe(202);
  });

  it('ends an upload that stops sending with 408 and leaves nothing behind', async () => {
    const before = await harness.traces();
    const answer = await raw(
      'POST /bulk-actions?actionType=update HTTP/1.1\r\nhost: h\r\nx-account-id: acme\r\ncontent-type: text/csv\r\ntransfer-encoding: chunked\r\n\r\n8\r\nid\r\nc1\r\n\r\n',
    );
    expect(answer).toMatch(/^HTTP\/1.1 408 /);
    expect(envelope(answer)).toMatchObject({ success: false, error: { code: 'REQUEST_TIMEOUT' } });
    await eventually('it is discarded', async () => {
      return (await harness.database.actions.countDocuments({ status: 'staging' })) === 0;
    });
    expect(await harness.traces()).toEqual(before);
  });

  it('refuses a body over the limit while the client sends, with an answer that arrives', async () => {
    const answer = await harness.post({ ...action, config: { x: 'x'.repeat(5_000_000) } });
    expect([answer.status, answer.body.error?.code]).toEqual([413, 'PAYLOAD_TOO_LARGE']);
    expect((await harness.get('/bulk-actions/7')).status).toBe(400);
  });

  it('accepts a trailing slash, HEAD and OPTIONS, and refuses an invalid escape', async () => {
    const headers = { 'x-account-id': 'acme', 'content-type': 'application/json' };
    const body = JSON.stringify(action);
    const posted = await fetch(`${harness.url}/bulk-actions/`, { method: 'POST', headers, body });
    expect(posted.status).toBe(202);
    const url = `${harness.url}${posted.headers.get('location')!}`;
    const head = await fetch(url, { method: 'HEAD', headers: { 'x-account-id': 'acme' } });
    expect([head.status, await head.text()]).toEqual([200, '']);
    expect((await fetch(`${url}/`, { headers: { 'x-account-id': 'acme' } })).status).toBe(200);
    const options = await fetch(url, { method: 'OPTIONS' });
    expect([options.status, options.headers.get('allow')]).toEqual([200, 'HEAD, GET']);
    const { status, body: refusal } = await harness.get('/bulk-actions/%E0%A4%A');
    expect([status, refusal.error?.code]).toEqual([400, 'INVALID_ID']);
  });

  it('stops at once despite keep-alive connections and answers what is under way', async () => {
    const service = await harness.start();
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const { port } = new URL(harness.url);
    const get = () =>
      new Promise<number>((resolve, reject) => {
        request({ port, agent, path: '/bulk-actions/7' }, (response) => {
          response.resume().on('end', () => resolve(response.statusCode ?? 0));
        })
          .on('error', reject)
          .end();
      });
    expect(await get()).toBe(400);
    // The request is under way when the service must stop: the server has its headers, but not its
    // body.
    const text = JSON.stringify(action);
    const slow = request({
      port,
      agent: new Agent({ keepAlive: true }),
      method: 'POST',
      path: '/bulk-actions',
      headers: {
        'content-type': 'application/json',
        'x-account-id': 'acme',
        'content-length': text.length,
        expect: '100-continue',
      },
    });
    const answered = new Promise<number>((resolve, reject) => {
      slow.on('response', (response) => response.resume().on('end', () => resolve(response.statusCode ?? 0)));
      slow.on('error', reject);
    });
    slow.flushHeaders();
    await once(slow, 'continue');
    const startedAt = performance.now();
    const stopped = service.stop();
    await eventually('new connections are refused', () =>
      fetch(harness.url).then(
        () => false,
        () => true,
      ),
    );
    slow.end(text);
    expect(await answered).toBe(202);
    await stopped;
    expect(performance.now() - startedAt).toBeLessThan(10_000);
    agent.destroy();
  });
});
