import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  cacheFolder,
  provideRedis,
  releasePorts,
  reservePorts,
  startChild,
  type Child,
  type ProvisionContext,
} from '@bulk/local-stack';

const context: ProvisionContext = { cache: cacheFolder(), env: process.env, log: () => undefined };
const NAME = 'redis';
const GRACE_MS = 5_000;

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
    const command = await provideRedis(context);
    const folder = mkdtempSync(join(tmpdir(), 'own-redis-'));
    const ports = await reservePorts(context.cache, new Map([[NAME, []]]));
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
    const child = await startChild({ command, args, cwd: folder }, join(folder, 'redis.log'), process.env);
    return new OwnRedis(child, folder, ports);
  }

  async stop(): Promise<void> {
    await this.#child.stop(GRACE_MS);
    await releasePorts(context.cache, this.#ports.values());
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
