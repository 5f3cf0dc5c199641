import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { releasePorts, reservePorts, type Child } from '@bulk/local-stack';
import { provision, REDIS_GRACE_MS, startRedisProcess } from './redis-process.ts';

const NAME = 'redis';

/**
 * A real Redis of a test's own, whose settings the test may change without affecting other tests. It is not part of the
 * index, because few tests need the code that starts parts.
 */
export class OwnRedis {
  readonly url: string;
  readonly #child: Child;
  readonly #folder: string;
  readonly #ports: ReadonlyMap<string, number>;

  private constructor(child: Child, folder: string, ports: ReadonlyMap<string, number>) {
    this.#child = child;
    this.#folder = folder;
    this.#ports = ports;
    this.url = `redis://127.0.0.1:${ports.get(NAME) ?? 0}`;
  }

  /** Resolves when the process has started; clients wait until it answers. */
  static async start(): Promise<OwnRedis> {
    const folder = mkdtempSync(join(tmpdir(), 'own-redis-'));
    const ports = await reservePorts(provision.cache, new Map([[NAME, []]]));
    const args = [
      '--port',
      String(ports.get(NAME) ?? 0),
      '--bind',
      '127.0.0.1',
      '--save',
      '',
      '--dir',
      folder,
    ];
    return new OwnRedis(await startRedisProcess(folder, args), folder, ports);
  }

  async stop(): Promise<void> {
    await this.#child.stop(REDIS_GRACE_MS);
    await releasePorts(provision.cache, this.#ports.values());
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
