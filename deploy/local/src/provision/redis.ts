import { existsSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { StackError } from '../errors.ts';
import { installPackage } from './apt.ts';
import { findOnPath, type ProvisionContext, run } from './tools.ts';

/**
 * Provides a redis-server: the PATH's, or Debian's.
 *
 * Debian's package `redis-server` would also start a system service, so `redis-tools` is installed instead. Its
 * redis-check-rdb is the same executable, which becomes a server if it is called by the name of one.
 */
export async function provideRedis(context: ProvisionContext): Promise<string> {
  const onPath = findOnPath('redis-server', context.env);
  if (onPath !== undefined) return onPath;
  if (findOnPath('redis-check-rdb', context.env) === undefined) {
    await installPackage(context, { what: 'redis', packages: ['redis-tools'] });
  }
  const target = findOnPath('redis-check-rdb', context.env);
  const link = join(context.cache, 'redis-server');
  if (target !== undefined) {
    mkdirSync(context.cache, { recursive: true });
    if (!existsSync(link)) {
      rmSync(link, { force: true });
      symlinkSync(target, link);
    }
    const version = await run(link, ['--version'], context);
    if (version.output.includes('Redis server')) return link;
  }
  throw new StackError(
    'MISSING_TOOL',
    'redis-server is missing',
    'sudo apt-get install -y --no-install-recommends redis-server',
  );
}
