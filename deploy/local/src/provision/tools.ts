import { spawn } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, isAbsolute, join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import type { Environment } from '../env.ts';

/** The context of every provisioning step. */
export interface ProvisionContext {
  readonly cache: string;
  readonly env: Environment;
  readonly log: (line: string) => void;
  readonly signal?: AbortSignal | undefined;
}

/** Returns the full path of a program, as a shell would find it. */
export function findOnPath(program: string, env: Environment): string | undefined {
  const candidates = isAbsolute(program)
    ? [program]
    : (env.PATH ?? '')
        .split(delimiter)
        .filter((folder) => folder !== '')
        .map((folder) => join(folder, program));
  return candidates.find(isExecutable);
}

export function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

export interface RunResult {
  readonly code: number;
  /** Standard output and error, interleaved; the last 64 kB. */
  readonly output: string;
}

export interface RunOptions {
  readonly env: Environment;
  readonly cwd?: string;
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs?: number;
  readonly onOutput?: (text: string) => void;
  /** Whether the program may finish if we die: half an installation is worse than none. */
  readonly detachable?: boolean;
}

/**
 * Returns a command line with which the kernel ends the program when this process dies, in any way. setpriv becomes the
 * program by exec, so the pid is the program's. On systems other than Linux, the plain command line is returned.
 */
export function tiedToUs(
  command: string,
  args: readonly string[],
  env: Environment,
): [string, readonly string[]] {
  const setpriv = process.platform === 'linux' ? findOnPath('setpriv', env) : undefined;
  return setpriv === undefined ? [command, args] : [setpriv, ['--pdeathsig', 'TERM', '--', command, ...args]];
}

/** Runs a program to its end. It never throws for a failing program: the code shows the failure. */
export function run(command: string, args: readonly string[], options: RunOptions): Promise<RunResult> {
  const limit = options.timeoutMs === undefined ? undefined : AbortSignal.timeout(options.timeoutMs);
  const signals = [options.signal, limit].filter((signal) => signal !== undefined);
  return new Promise((resolve, reject) => {
    const [program, list] =
      options.detachable === true ? [command, args] : tiedToUs(command, args, options.env);
    const child = spawn(program, list, {
      cwd: options.cwd,
      env: options.env,
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(signals.length > 0 && { signal: AbortSignal.any(signals) }),
    });
    let output = '';
    const collect = (chunk: Buffer): void => {
      const text = chunk.toString('utf8');
      output = (output + text).slice(-65_536);
      options.onOutput?.(text);
    };
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    child.once('error', (error) => {
      if (options.signal?.aborted === true) reject(error);
      else resolve({ code: 127, output: output === '' ? error.message : output });
    });
    child.once('close', (code) => resolve({ code: code ?? 1, output }));
  });
}

/** Returns the last lines of a program's output, for an error message. */
export function tail(output: string, lines = 8): string {
  return stripVTControlCharacters(output).trimEnd().split('\n').slice(-lines).join('\n');
}
