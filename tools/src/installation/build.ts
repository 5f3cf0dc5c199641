import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { CodedError } from '@bulk/domain';
import { tiedToUs, workspaceRoot, type Environment } from '@bulk/local-stack';
import { z } from 'zod';

/** Thrown when a service does not build. The message is the output of the build. */
export class BuildFailedError extends CodedError {
  constructor(output: string) {
    super('BUILD_FAILED', `npm run build failed:\n${output.trimEnd()}`);
  }
}

const packageSchema = z.object({ bin: z.object({ nx: z.string() }) });
const MAX_OUTPUT = 8_000;

/**
 * Builds the services that have changed, as `npm run build` does.
 *
 * @returns how many builds were taken from the cache.
 * @throws BuildFailedError.
 */
export async function buildServices(env: Environment, signal?: AbortSignal): Promise<{ cached: number }> {
  const [command, args] = tiedToUs(
    process.execPath,
    [nxBinary(), 'run-many', '-t', 'build', '--projects=tag:type:service'],
    env,
  );
  const child = spawn(command, args, {
    cwd: workspaceRoot,
    env: { ...env, NX_DAEMON: 'false', NX_TUI: 'false', NO_COLOR: '1', FORCE_COLOR: '0' },
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(signal !== undefined && { signal }),
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => (output = (output + text).slice(-MAX_OUTPUT)));
  }
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  if (code !== 0) throw new BuildFailedError(output);
  return { cached: Number(/for (\d+) out of \d+ tasks/.exec(output)?.[1] ?? 0) };
}

/** Returns the command that nx' package names, because nx exports no path to it. */
function nxBinary(): string {
  const manifest = createRequire(import.meta.url).resolve('nx/package.json');
  const { bin } = packageSchema.parse(JSON.parse(readFileSync(manifest, 'utf8')));
  return join(dirname(manifest), bin.nx);
}
