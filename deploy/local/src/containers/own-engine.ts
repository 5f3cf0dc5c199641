import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Child, startChild } from '../child.ts';
import type { Environment } from '../env.ts';
import { reasonOf, StackError } from '../errors.ts';
import { acquireLock } from '../lock.ts';
import type { ProcessIdentity } from '../processes.ts';
import { type DockerFiles, provideDocker } from '../provision/docker.ts';
import { type ProvisionContext, run, tail } from '../provision/tools.ts';

const READY_MS = 60_000;
const POLL_MS = 100;
const STOP_MS = 20_000;
/** Maximum wait for another process that uses the engine, in ms. */
const LOCK_MS = 1_800_000;

/** A Docker engine that this process has started for itself. */
export interface OwnEngine {
  /** The environment in which `docker` is found and uses this engine. */
  readonly env: Environment;
  /** Its process. */
  readonly identity: ProcessIdentity;
  /** Stops the engine. Its images stay in the cache. It may be repeated. */
  stop(): Promise<void>;
}

/**
 * Starts a Docker engine of our own, from Debian's packages.
 *
 * It has its own socket, so that no other program takes it for the machine's engine, and neither a bridge nor firewall
 * rules. Its containers reach the network as the host does (`--network host`) or not at all. Its images stay in the
 * cache. The kernel ends it when this process ends.
 *
 * @throws StackError MISSING_TOOL if we are not root on Debian; INSTALL_FAILED; UNHEALTHY if it does not start.
 */
export async function startOwnEngine(context: ProvisionContext): Promise<OwnEngine> {
  const files = await provideDocker(context);
  const data = join(context.cache, 'docker-data');
  const options = {
    timeoutMs: LOCK_MS,
    signal: context.signal,
    onWait: (pid: number) => context.log(`docker: process ${pid} has the engine, waiting for it`),
  };
  const unlock = await acquireLock(`${data}.lock`, options);
  // The path is short, because the path of a socket must be. It is always the same, so that killed processes leave
  // nothing.
  const runFolder = join(
    '/run',
    `bulk-docker-${createHash('sha256').update(data).digest('hex').slice(0, 8)}`,
  );
  let child: Child | undefined;
  const stop = async (): Promise<void> => {
    await child?.stop(STOP_MS);
    // The engine mounts this folder on itself.
    await unmount(data, context.env);
    await remove(runFolder, context.env);
    unlock();
  };
  try {
    await remove(runFolder, context.env);
    mkdirSync(runFolder, { recursive: true });
    const log = join(runFolder, 'dockerd.log');
    const env = environmentOf(context.env, files, runFolder);
    child = await startChild(specOf(data, runFolder), log, {
      ...env,
      LD_LIBRARY_PATH: files.libraries,
      PATH: [files.programs, context.env.PATH].join(delimiter),
    });
    await waitUntilReady(child, env, log, context.signal);
    let stopped: Promise<void> | undefined;
    return { env, identity: child.identity, stop: () => (stopped ??= stop()) };
  } catch (error) {
    await stop();
    throw error;
  }
}

function specOf(data: string, runFolder: string) {
  return {
    command: 'dockerd',
    args: [
      ...['--host', socketOf(runFolder), '--data-root', data, '--exec-root', join(runFolder, 'exec')],
      ...['--pidfile', join(runFolder, 'pid'), '--bridge', 'none', '--iptables=false', '--ip6tables=false'],
      ...['--ip-forward=false', '--ip-masq=false'],
    ],
    cwd: runFolder,
  };
}

/** Returns the environment of `docker`. The machine's own command takes precedence over the engine's. */
function environmentOf(env: Environment, { programs }: DockerFiles, runFolder: string): Environment {
  return { ...env, PATH: [env.PATH, programs].join(delimiter), DOCKER_HOST: socketOf(runFolder) };
}

function socketOf(runFolder: string): string {
  return `unix://${join(runFolder, 'docker.sock')}`;
}

async function waitUntilReady(
  child: Child,
  env: Environment,
  log: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const deadline = Date.now() + READY_MS;
  const seen = { ended: false };
  void child.exited.then(() => (seen.ended = true));
  for (;;) {
    const { code, output } = await run('docker', ['version'], { env, signal, timeoutMs: READY_MS });
    if (code === 0) return;
    if (seen.ended || Date.now() >= deadline) {
      const reason = seen.ended ? lastError(log) : tail(output, 1);
      throw new StackError('UNHEALTHY', `Docker's engine does not start: ${reason}`, `cat ${log}`);
    }
    await delay(POLL_MS, undefined, signal === undefined ? {} : { signal });
  }
}

/** Returns the last line of a log. */
function lastError(log: string): string {
  try {
    return tail(readFileSync(log, 'utf8'), 1);
  } catch (error) {
    return reasonOf(error);
  }
}

/** Removes a folder and the mounts that an engine left in it: its own stop leaves a network namespace. */
async function remove(folder: string, env: Environment): Promise<void> {
  await unmount(folder, env);
  rmSync(folder, { recursive: true, force: true });
}

/** Unmounts the folder and all mounts below it, the deepest first. */
async function unmount(folder: string, env: Environment): Promise<void> {
  const mounted = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((point) => point === folder || point.startsWith(`${folder}/`));
  for (const point of mounted.reverse()) await run('umount', ['--lazy', point], { env });
}
