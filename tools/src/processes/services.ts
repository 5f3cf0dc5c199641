import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { SERVICES, type Service as ServiceName } from '@bulk/contracts';
import { workspaceRoot } from '@bulk/local-stack';
import { NotBuiltError } from './errors.ts';

export { SERVICES, type ServiceName };

/**
 * `built` runs dist/main.js, as in production; `watch` runs the sources and restarts when they
 * change.
 */
export type LaunchMode = 'built' | 'watch';

/**
 * Returns the arguments to Node that run a service.
 *
 * @throws NotBuiltError.
 */
export function launchArguments(name: ServiceName, mode: LaunchMode): string[] {
  const folder = join(workspaceRoot, 'services', name);
  if (mode === 'built') {
    const main = join(folder, 'dist', 'main.js');
    if (!existsSync(main)) throw new NotBuiltError(name);
    return ['--enable-source-maps', main];
  }
  // tsx' own watcher: Node's does not see what is imported through a loader.
  const tsx = createRequire(import.meta.url).resolve('tsx/cli');
  return [tsx, 'watch', '--clear-screen=false', join(folder, 'src', 'main.ts')];
}
