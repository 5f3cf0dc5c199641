import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { afterEach, describe, expect, it } from '@jest/globals';
import { requestBytes } from './http-bytes.ts';
import type { PlacedCase } from './fuzz-case.ts';
import type { Ledger } from './ledger.ts';
import { readAll, runRound, type Attackable, type RoundReport } from './round.ts';

/** The fault of a server. */
type Flaw = 'none' | '500' | 'dies' | 'keeps sockets' | 'keeps memory' | 'is not healthy' | 'hangs';

/**
 * Answers each request on one port, and reports about itself on another. The flaw is in the
 * environment.
 */
const SCRIPT = `
  const { createServer } = require('node:net');
  const http = require('node:http');
  const flaw = process.env.FLAW;
  const kept = [];
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => undefined);
    if (flaw !== 'keeps sockets') socket.on('end', () => socket.end());
    socket.once('data', () => {
      if (flaw === 'dies') process.exit(1);
      if (flaw === 'keeps memory') kept.push(new Array(500_000).fill(kept.length + 0.5));
      const body = '{"success":false,"error":{"code":"NO","message":"no"}}';
      const status = flaw === '500' ? 500 : 404;
      socket.write('HTTP/1.1 ' + status + ' X\\r\\ncontent-type: application/json\\r\\ncontent-length: ' + body.length + '\\r\\n\\r\\n' + body);
    });
  });
  const admin = http.createServer(({ url }, response) => {
    if (url === '/livez' && flaw === 'hangs') return;
    response.statusCode = url === '/healthz' && flaw === 'is not healthy' ? 503 : 200;
    const { heapUsed, external, rss } = process.memoryUsage();
    response.end(url === '/metrics'
      ? 'nodejs_heap_size_used_bytes ' + heapUsed + '\\nnodejs_external_memory_bytes ' + external + '\\nprocess_resident_memory_bytes ' + rss + '\\n'
      : '{}');
  });
  server.listen(0, '127.0.0.1', () => admin.listen(0, '127.0.0.1', () =>
    console.log(server.address().port + ' ' + admin.address().port)));
`;
const COLLECT_GARBAGE = new URL('collect-garbage.mjs', import.meta.url).href;

const EMPTY: Ledger = {
  begin: () => Promise.resolve(new Map<string, string>()),
  settle: () => Promise.resolve({ stored: [], breaches: [] }),
  has: () => Promise.resolve(false),
};
const CASES = Array.from({ length: 15 }, (_, index): PlacedCase => ({
  kind: 'HTTP requests',
  door: 'intake',
  what: 'a request',
  steps: [{ bytes: requestBytes({ method: 'GET', target: '/', headers: [] }) }],
  ending: 'read',
  isWhole: true,
  round: 0,
  index,
}));
const MEBIBYTE = 1_048_576;
const BOUNDS = { heapBytes: 16 * MEBIBYTE, residentBytes: 1_024 * MEBIBYTE, descriptors: 5 };

const children: ChildProcess[] = [];
afterEach(async () => {
  for (const child of children.splice(0)) {
    const closed = new Promise((resolve) => child.once('close', resolve));
    if (child.kill('SIGKILL')) await closed;
  }
});

async function serverWith(flaw: Flaw): Promise<Attackable> {
  const child = spawn(process.execPath, ['--expose-gc', '--import', COLLECT_GARBAGE, '-e', SCRIPT], {
    env: { ...process.env, FLAW: flaw },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  const line = await new Promise<string>((resolve) =>
    createInterface({ input: child.stdout }).once('line', resolve),
  );
  const [port = 0, adminPort = 0] = line.split(' ').map(Number);
  const pid = child.pid ?? 0;
  const isRunning = (): boolean => child.exitCode === null && child.signalCode === null;
  return {
    ports: {
      intake: port,
      notifier: port,
      'intake.admin': adminPort,
      'notifier.admin': adminPort,
      'intake.secured': port,
      'notifier.secured': port,
    },
    watched: [
      {
        name: 'server',
        pid,
        adminPort,
        ports: [port, adminPort],
        isRunning,
        collectGarbage: () => void child.kill('SIGUSR2'),
      },
    ],
    ledger: EMPTY,
  };
}

async function attack(flaw: Flaw): Promise<RoundReport> {
  const target = await serverWith(flaw);
  const options = { target, bounds: BOUNDS, settleMs: 3_000 };
  // Whatever the flaw is, such a server is never well.
  const base = await readAll({ ...options, base: undefined, settleMs: 0 });
  const { signal } = new AbortController();
  return runRound({ ...options, seed: 1, round: 0, cases: CASES, base, signal });
}

describe('runRound', () => {
  it('finds nothing when a server behaves correctly', async () => {
    const report = await attack('none');
    expect(report.findings).toEqual([]);
    expect(report.statuses).toEqual(new Map([[404, CASES.length]]));
  });

  it.each([
    ['500', /^status 500/],
    ['dies', /has ended/],
    ['keeps sockets', /keeps 15 sockets of disconnected clients/],
    ['keeps memory', /heapBytes grew/],
    ['is not healthy', /healthz answers 503/],
    ['hangs', /livez answers nothing/],
  ] as const)('finds it when a server has the flaw "%s"', async (flaw, breach) => {
    const { findings } = await attack(flaw);
    expect(findings.map((finding) => finding.breach)).toContainEqual(expect.stringMatching(breach));
  });

  it('names the case at fault with the bytes that were sent', async () => {
    const { findings } = await attack('500');
    expect(findings.map(({ placed }) => placed?.index).sort()).toEqual(
      CASES.map(({ index }) => index).sort(),
    );
  });
});
