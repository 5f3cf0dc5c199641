import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, openSync, closeSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Environment } from '../env.ts';
import { cacheFolder, packageRoot, workspaceRoot } from '../paths.ts';
import { canBuildSecantusRust, findSecantusRust } from './secantus.ts';
import { findOnPath } from './tools.ts';

/** How long a build that was started is not started again, whatever became of it, in ms. */
const AGAIN_AFTER_MS = 24 * 3_600_000;

export interface BackgroundBuild {
  readonly pid: number;
  /** Where its output goes. */
  readonly log: string;
}

/**
 * Starts to build the fast MongoDB replacement, for the next start, as a process that outlives this one.
 *
 * It has the lowest priority that the system offers, so that it takes only time that nothing else needs. Only an
 * interactive start may call this: a test, a bench or a continuous integration would measure the build.
 *
 * @returns `undefined` if there is nothing to do: the build exists, it cannot be made here, one was started within a
 * day, `CI` is set, or `STACK_BACKGROUND_BUILD` is `false`.
 */
export async function buildMongoInBackground(env: Environment): Promise<BackgroundBuild | undefined> {
  if (isSet(env['CI']) || env['STACK_BACKGROUND_BUILD'] === 'false') return undefined;
  const cache = cacheFolder(env);
  const log = join(cache, 'secantus-mdb-build.log');
  const quiet = { cache, env, log: () => undefined };
  if (!canBuildSecantusRust(quiet) || wasStarted(log) || (await findSecantusRust(quiet)) !== undefined) {
    return undefined;
  }
  mkdirSync(cache, { recursive: true });
  writeFileSync(log, '');
  const output = openSync(log, 'a');
  const [command, ...args] = [
    ...lowestPriority(env),
    process.execPath,
    ...['--import', 'tsx', join(packageRoot, 'src', 'cli.ts'), 'build-mongo'],
  ];
  const child = spawn(command ?? process.execPath, args, {
    cwd: workspaceRoot,
    env,
    detached: true,
    stdio: ['ignore', output, output],
  });
  child.on('error', () => undefined);
  child.unref();
  closeSync(output);
  return child.pid === undefined ? undefined : { pid: child.pid, log };
}

function isSet(value: string | undefined): boolean {
  return value !== undefined && value !== '' && value !== 'false' && value !== '0';
}

function wasStarted(log: string): boolean {
  return existsSync(log) && Date.now() - statSync(log).mtimeMs < AGAIN_AFTER_MS;
}

/** Returns the start of a command line that runs the rest when the machine is otherwise idle. */
function lowestPriority(env: Environment): string[] {
  const wrappers = [
    ['nice', '-n', '19'],
    ['ionice', '-c', '3'],
    ['chrt', '--idle', '0'],
  ];
  return wrappers.filter(([program = '']) => findOnPath(program, env) !== undefined).flat();
}
