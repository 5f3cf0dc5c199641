import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { ServiceProcess } from './service-process.ts';

/**
 * Listens on ADMIN_PORT and answers as services do: ready after `readyAfter` requests; on SIGTERM
 * it says goodbye.
 */
const SCRIPT = `
  let asked = 0;
  const components = { mongodb: { state: 'waiting', reason: 'connection refused' } };
  require('http').createServer((_, response) => {
    asked += 1;
    const ready = asked > Number(process.env.READY_AFTER);
    response.writeHead(ready ? 200 : 503).end(JSON.stringify({ components }));
  }).listen(Number(process.env.ADMIN_PORT));
  process.on('SIGTERM', () => { console.log('goodbye'); process.exit(0); });
  console.log('hello');
`;

let folder: string;
let running: ServiceProcess[] = [];

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'bulk-service-process-'));
});
afterEach(async () => {
  await Promise.all(running.map((child) => child.kill()));
  running = [];
});
afterAll(() => rmSync(folder, { recursive: true }));

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer();
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' ? (address?.port ?? 0) : 0));
    });
  });
}

async function spawn(script = SCRIPT, readyAfter = 0): Promise<ServiceProcess> {
  const adminPort = await freePort();
  const child = await ServiceProcess.spawn({
    name: 'probe',
    args: ['-e', script],
    cwd: folder,
    env: { PATH: process.env['PATH'], ADMIN_PORT: String(adminPort), READY_AFTER: String(readyAfter) },
    adminPort,
    output: { kind: 'file', path: join(folder, `${adminPort}.log`) },
  });
  running.push(child);
  return child;
}

describe('ServiceProcess', () => {
  it('waits until the service is ready, asks it to stop and keeps its output', async () => {
    const child = await spawn(SCRIPT, 3);
    await child.waitUntilReady(15_000);
    expect(child.running).toBe(true);
    expect(child.peakMemory()).toBeGreaterThan(1_000_000);
    expect(await child.stop()).toEqual({ code: 0, signal: null });
    expect(child.running).toBe(false);
    expect(child.tail()).toBe('hello\ngoodbye');
  });

  it('names the unavailable dependency of a service that is not ready in time', async () => {
    const child = await spawn(SCRIPT, 1_000);
    await expect(child.waitUntilReady(1_500)).rejects.toMatchObject({
      code: 'SERVICE_NOT_READY',
      message: expect.stringContaining('waits for mongodb: connection refused'),
    });
  });

  it('reports an unexpected exit with the end of the log', async () => {
    const child = await spawn("console.log('the reason'); process.exit(78)");
    await expect(child.waitUntilReady(15_000)).rejects.toMatchObject({
      code: 'SERVICE_DIED',
      message: expect.stringMatching(/exit code 78.*:\nthe reason$/s),
    });
    expect((await child.died).message).toContain('the reason');
  });

  it('ends a stalled service and one that ignores the request to stop', async () => {
    const stalled = await spawn();
    await stalled.waitUntilReady(15_000);
    expect(stalled.suspend()).toBe(true);
    expect(await stalled.stop()).toEqual({ code: 0, signal: null });

    const deaf = await spawn(`${SCRIPT}; process.removeAllListeners('SIGTERM').on('SIGTERM', () => {})`);
    await deaf.waitUntilReady(15_000);
    expect(await deaf.stop(200)).toEqual({ code: null, signal: 'SIGKILL' });
  });

  it('does not report a requested kill as a failure', async () => {
    const child = await spawn();
    await child.waitUntilReady(15_000);
    await child.kill();
    const first = await Promise.race([child.died, Promise.resolve('no death')]);
    expect(first).toBe('no death');
  });
});
