import { connect, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { eventually, HOSTILE_REQUESTS, rawRequest } from '@bulk/testing';
import { delay } from '../delay.ts';
import { silentLogger } from '../logger.ts';
import { GuardedServer, type HttpHandler } from './guarded-server.ts';

const LIMITS = {
  requestTimeoutMs: 400,
  headersTimeoutMs: 300,
  keepAliveTimeoutMs: 5_000,
  maxHeaderBytes: 8_192,
  maxConnections: 100,
};

let server: GuardedServer;
let port: number;
let handle: HttpHandler;
const sockets: Socket[] = [];

async function start(limits: Partial<typeof LIMITS> = {}): Promise<void> {
  server = new GuardedServer({
    ...LIMITS,
    ...limits,
    handle: (request, response) => handle(request, response),
    log: silentLogger(),
  });
  port = await server.listen({ host: '127.0.0.1', port: 0 });
}

/** A connection whose client never closes it. */
function open(text: string): { readonly socket: Socket; answer: string; closed: boolean } {
  const state = {
    socket: connect({ port, host: '127.0.0.1', allowHalfOpen: true }),
    answer: '',
    closed: false,
  };
  sockets.push(state.socket);
  state.socket.on('connect', () => state.socket.write(text));
  state.socket.on('data', (chunk) => (state.answer += chunk.toString()));
  state.socket.on('error', () => undefined);
  state.socket.on('end', () => (state.closed = true));
  state.socket.on('close', () => (state.closed = true));
  return state;
}

beforeEach(async () => {
  handle = (_request, response) => {
    response.writeHead(404, { 'content-type': 'application/json' });
    response.end('{"success":false,"error":{"code":"NOT_FOUND","message":"nothing"}}');
  };
  await start();
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await server.close(0);
});

describe('GuardedServer', () => {
  it.each(HOSTILE_REQUESTS)('refuses $what in the envelope and still answers', async ({ bytes, status }) => {
    const answer = await rawRequest(port, bytes, {
      until: (text) => text.endsWith('}') || text.includes('}\r\n'),
    });
    expect(answer.text).toContain('"success":false');
    expect(status).toContain(answer.status);
    const next = await fetch(`http://127.0.0.1:${port}/`);
    expect(next.status).toBe(404);
  });

  it.each([
    ['is refused', 'hello\r\n\r\n', 400],
    ['does not complete its headers', 'GET / HTTP/1.1\r\nx:', 408],
    ['does not complete its body', 'POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 5\r\n\r\nx', 408],
  ])('closes a connection that %s although its client never does', async (_what, text, status) => {
    // Answers only complete requests.
    handle = (request, response) => void request.resume().on('end', () => response.end());
    const connection = open(text);
    await eventually('the answer', () => connection.answer.includes('"success":false'));
    expect(connection.answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    // A write shows that the server has released the connection: its kernel answers with a reset.
    const broken = new Promise((resolve) => connection.socket.once('close', resolve));
    await eventually('the end of the connection', () => {
      connection.socket.write('x');
      return connection.socket.destroyed;
    });
    await broken;
  });

  it('accepts a body that keeps arriving beyond its time limit', async () => {
    let received = '';
    handle = (request, response) => {
      request.on('data', (chunk: Buffer) => (received += chunk.toString()));
      request.on('end', () => response.end('all of it'));
    };
    const connection = open('POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 16\r\n\r\n');
    const startedAt = performance.now();
    for (let sent = 1; sent <= 16; sent += 1) {
      await delay(100);
      connection.socket.write('x');
      await eventually('it arrives', () => received.length >= sent || connection.closed);
    }
    await eventually('the answer', () => connection.answer.includes('all of it'));
    expect(performance.now() - startedAt).toBeGreaterThan(3 * LIMITS.requestTimeoutMs);
    expect(connection.answer).toMatch(/^HTTP\/1.1 200 /);
  });

  it('refuses a body that stops halfway with 408', async () => {
    handle = (request, response) => void request.resume().on('end', () => response.end());
    const connection = open('POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n');
    await delay(200);
    connection.socket.write('1\r\ny\r\n');
    await eventually('the answer', () => connection.answer.includes('"code":"REQUEST_TIMEOUT"'));
    expect(connection.answer).toMatch(/^HTTP\/1.1 408 /);
  });

  it('does not count its own pause in reading against a client', async () => {
    let resume: () => void = () => undefined;
    handle = (request, response) => {
      resume = () => void request.resume().on('end', () => response.end('all of it'));
    };
    const size = 1_000_000;
    const connection = open(
      `POST / HTTP/1.1\r\nhost: h\r\ncontent-length: ${size}\r\n\r\n${'x'.repeat(size)}`,
    );
    await delay(3 * LIMITS.requestTimeoutMs);
    resume();
    await eventually('the answer', () => connection.answer.includes('all of it'));
  });

  it('never writes a refusal into an answer under way', async () => {
    let finish: () => void = () => undefined;
    handle = (_request, response) => {
      response.write('first half, ');
      finish = () => response.end('second half');
    };
    const connection = open('GET / HTTP/1.1\r\nhost: h\r\n\r\nno request\r\n\r\n');
    await eventually('the first half', () => connection.answer.includes('first half'));
    expect(connection.answer).not.toContain('INVALID_HTTP');
    finish();
    await eventually('the refusal', () => connection.answer.includes('INVALID_HTTP'));
    expect(connection.answer).toMatch(/first half, .*second half\r\n0\r\n\r\nHTTP\/1.1 400 /s);
  });

  it('survives a handler that throws, at once or later, and an answer to a disconnected client', async () => {
    const plain = handle;
    handle = () => {
      throw new Error('at once');
    };
    await rawRequest(port, 'GET / HTTP/1.1\r\nhost: h\r\n\r\n');
    handle = () => Promise.reject(new Error('later'));
    await rawRequest(port, 'GET / HTTP/1.1\r\nhost: h\r\n\r\n');
    let written = false;
    handle = (request, response) => {
      request.socket.once('close', () => {
        response.write('x');
        response.end('y');
        written = true;
      });
      request.socket.destroy();
    };
    await rawRequest(port, 'GET / HTTP/1.1\r\nhost: h\r\n\r\n');
    await eventually('the answer to nobody', () => written);
    handle = plain;
    expect((await fetch(`http://127.0.0.1:${port}/`)).status).toBe(404);
  });

  it('closes connections beyond its limit', async () => {
    await server.close(0);
    await start({ maxConnections: 2, headersTimeoutMs: 5_000, requestTimeoutMs: 5_000 });
    const connections = Array.from({ length: 5 }, () => open('GET / HTTP/1.1\r\n'));
    await eventually('three are closed', () => connections.filter(({ closed }) => closed).length === 3);
  });

  it('ends all connections within the grace time, whatever their clients do', async () => {
    handle = () => undefined;
    open('GET / HTTP/1.1\r\nhost: h\r\n\r\n');
    open('');
    open('GET / HT');
    const refused = open('hello\r\n\r\n');
    await eventually('the refusal', () => refused.answer.includes('INVALID_HTTP'));
    const startedAt = performance.now();
    await server.close(200);
    expect(performance.now() - startedAt).toBeLessThan(1_500);
  });
});
