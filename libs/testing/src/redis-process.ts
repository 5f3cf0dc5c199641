import { join } from 'node:path';
import { cacheFolder, provideRedis, startChild, type Child, type ProvisionContext } from '@bulk/local-stack';

/** How tests provide parts of their own. */
export const provision: ProvisionContext = { cache: cacheFolder(), env: process.env, log: () => undefined };
/** How long a process of Redis gets to end, in ms. */
export const REDIS_GRACE_MS = 5_000;

/** Starts a process of Redis. It writes its log into the folder in which it runs. */
export async function startRedisProcess(folder: string, args: readonly string[]): Promise<Child> {
  const command = await provideRedis(provision);
  return startChild({ command, args: [...args], cwd: folder }, join(folder, 'redis.log'), process.env);
}
