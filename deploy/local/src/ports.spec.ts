import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { choosePort, isPortFree, releasePorts, reservePorts } from './ports.ts';
import { ownIdentity } from './processes.ts';

const free = (...ports: number[]): ((port: number) => Promise<boolean>) => {
  return (port) => Promise.resolve(ports.includes(port));
};

describe('choosePort', () => {
  it('returns the first preferred port that is free', async () => {
    await expect(choosePort([1, 2, 3], new Set(), free(2, 3))).resolves.toBe(2);
  });

  it('skips a free port that is reserved for another process', async () => {
    await expect(choosePort([1, 2], new Set([1]), free(1, 2))).resolves.toBe(2);
  });

  it('falls back to its range, below the ports of outgoing connections', async () => {
    const port = await choosePort(
      [1],
      new Set(),
      (candidate) => Promise.resolve(candidate !== 1),
      () => 0.999_99,
    );
    expect(port).toBeGreaterThanOrEqual(21_000);
    expect(port).toBeLessThanOrEqual(29_999);
  });

  it('fails with a message when no port is free', async () => {
    await expect(choosePort([1], new Set(), free())).rejects.toMatchObject({ code: 'PORT_REFUSED' });
  });
});

describe('isPortFree', () => {
  it('returns false when a process listens', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    await expect(isPortFree(port)).resolves.toBe(false);
    await new Promise((resolve) => server.close(resolve));
    await expect(isPortFree(port)).resolves.toBe(true);
  });
});

describe('reservePorts', () => {
  let cache: string;
  beforeEach(() => {
    cache = mkdtempSync(join(tmpdir(), 'stack-ports-'));
  });
  afterEach(() => rmSync(cache, { recursive: true }));

  it('never reserves a port twice, even if no process listens yet', async () => {
    const [first, second] = await Promise.all([
      reservePorts(cache, new Map([['kafka', [23_456]]])),
      reservePorts(cache, new Map([['kafka', [23_456]]])),
    ]);
    expect(first.get('kafka')).not.toBe(second.get('kafka'));
  });

  it('returns a released port again', async () => {
    const first = await reservePorts(cache, new Map([['kafka', [23_457]]]));
    await releasePorts(cache, first.values());
    expect(await reservePorts(cache, new Map([['kafka', [...first.values()]]]))).toEqual(first);
  });

  it('forgets the reservations of a dead process', async () => {
    const dead = { ...ownIdentity(), startedAt: 'another boot:1' };
    writeFileSync(join(cache, 'ports.json'), JSON.stringify({ 23458: dead }));
    const chosen = await reservePorts(cache, new Map([['kafka', [23_458]]]));
    expect(chosen.get('kafka')).toBe(23_458);
  });
});
