import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { startAdminServer, type AdminServer } from './admin-server.ts';
import { Health } from './health.ts';
import { createLogger, type Logger } from './logger.ts';

const TOKEN = 'correct-horse-battery-staple';
let lines: string[];
let log: Logger;
let health: Health;
let server: AdminServer;
beforeEach(async () => {
  lines = [];
  const options = { service: 'test', level: 'info', format: 'json' } as const;
  log = createLogger(options, { write: (line) => lines.push(line) });
  health = new Health();
  const metrics = { contentType: 'text/plain', expose: () => Promise.resolve('') };
  server = await startAdminServer(
    { ADMIN_HOST: '127.0.0.1', ADMIN_PORT: 0, ADMIN_TOKEN: TOKEN },
    { health, metrics, log },
  );
});
afterEach(() => server.close());

async function ask(method: string, body?: string): Promise<{ status: number; answer: unknown }> {
  const response = await fetch(`http://127.0.0.1:${server.port}/log-level`, {
    method,
    ...(body === undefined ? {} : { body }),
  });
  return { status: response.status, answer: await response.json() };
}

describe('the log level of a running service', () => {
  it('can be read and changed', async () => {
    expect(await ask('GET')).toEqual({ status: 200, answer: { level: 'info' } });
    log.debug('unheard');
    expect(await ask('PUT', '{"level":"debug"}')).toEqual({ status: 200, answer: { level: 'debug' } });
    log.debug('heard');
    expect(await ask('PUT', '{"level":"silent"}')).toMatchObject({ status: 200 });
    log.error('unheard');
    expect(await ask('PUT', '{"level":"warn"}')).toMatchObject({ status: 200 });
    const messages = lines.map((line) => (JSON.parse(line) as { msg: string }).msg);
    const changed = 'Log level changed';
    expect(messages).toEqual([changed, 'heard', changed, changed]);
  });

  it.each(['{"level":"loud"}', '{"level":"debug","more":1}', 'debug', '', `"${'x'.repeat(2_000)}"`])(
    'keeps its value if the request is %j',
    async (body) => {
      expect(await ask('PUT', body)).toEqual({
        status: 400,
        answer: { error: expect.stringContaining('expected {"level": …} with one of fatal, error') },
      });
      expect(await ask('DELETE')).toMatchObject({ status: 405 });
      expect(log.level).toBe('info');
    },
  );

  it('can be changed only from this machine or with credentials', async () => {
    const headers = { 'x-forwarded-for': '10.0.0.1' };
    const put = (authorization?: string) =>
      fetch(`http://127.0.0.1:${server.port}/log-level`, {
        method: 'PUT',
        headers: { ...headers, ...(authorization === undefined ? {} : { authorization }) },
        body: '{"level":"debug"}',
      });
    expect((await put()).status).toBe(403);
    expect((await put('Bearer wrong')).status).toBe(403);
    expect(log.level).toBe('info');
    expect((await fetch(`http://127.0.0.1:${server.port}/log-level`, { headers })).status).toBe(200);
    expect((await put(`Bearer ${TOKEN}`)).status).toBe(200);
    expect(log.level).toBe('debug');
  });
});

describe('the probes', () => {
  const statusOf = async (path: string): Promise<number> =>
    (await fetch(`http://127.0.0.1:${server.port}${path}`)).status;

  it('distinguish life, readiness and health', async () => {
    const seen = async (): Promise<number[]> =>
      Promise.all(['/livez', '/readyz', '/healthz'].map((path) => statusOf(path)));
    health.set('http', 'waiting');
    health.keepReadiness();
    expect(await seen()).toEqual([200, 503, 503]);
    health.set('http', 'ready');
    expect(await seen()).toEqual([200, 200, 200]);
    health.set('mongodb', 'waiting', 'connection refused');
    expect(await seen()).toEqual([200, 200, 503]);
    const report: unknown = await (await fetch(`http://127.0.0.1:${server.port}/healthz`)).json();
    expect(report).toEqual({
      ready: true,
      healthy: false,
      stopping: false,
      components: { http: { state: 'ready' }, mongodb: { state: 'waiting', reason: 'connection refused' } },
    });
    health.stop();
    expect(await seen()).toEqual([200, 503, 503]);
  });
});
