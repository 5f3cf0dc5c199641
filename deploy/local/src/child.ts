import { spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, renameSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { tiedToUs } from './provision/tools.ts';
import { identify, type ProcessIdentity, terminate, signalProcess, waitForEnd } from './processes.ts';

/** How a part is started. */
export interface LaunchSpec {
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env?: Record<string, string>;
}

export interface ChildExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A running part: its identity, and a promise that settles at its end. */
export interface Child {
  readonly identity: ProcessIdentity;
  readonly exited: Promise<ChildExit>;
  stop(graceMs: number): Promise<void>;
  kill(): Promise<void>;
}

const maxLogBytes = 20 * 1024 * 1024;

/**
 * Starts a process with its output in a log file and its life tied to ours.
 *
 * - `setpriv --pdeathsig TERM` makes the kernel end the process when we die, even by SIGKILL. It becomes the program by
 *   exec, so the pid and the start time that we record stay valid.
 * - The process leads its own session, so that Ctrl-C in our terminal reaches only us and we control the order of the
 *   stop.
 */
export async function startChild(
  spec: LaunchSpec,
  logFile: string,
  env: Record<string, string | undefined>,
): Promise<Child> {
  const output = openLog(logFile);
  const [command, args] = tiedToUs(spec.command, spec.args, env);
  const child = spawn(command, args, {
    cwd: spec.cwd,
    env: { ...env, ...spec.env },
    stdio: ['ignore', output, output],
    detached: true,
  });
  closeSync(output);
  // A caller that forgets to stop us must still be able to end; our parts end with it.
  child.unref();
  const exited = new Promise<ChildExit>((resolve) =>
    child.once('exit', (code, signal) => resolve({ code, signal })),
  );
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', reject);
  });
  const pid = child.pid ?? 0;
  const identity = identify(pid) ?? { pid, startedAt: 'ended' };
  return {
    identity,
    exited,
    stop: async (graceMs) => {
      child.ref();
      await terminate(identity, graceMs);
      await exited;
    },
    kill: async () => {
      child.ref();
      signalProcess(identity, 'SIGKILL');
      await waitForEnd(identity, 5_000);
      await exited;
    },
  };
}

/** Opens the log for appending. A log that has grown large is kept once as `.old`. */
function openLog(file: string): number {
  mkdirSync(dirname(file), { recursive: true });
  if (existsSync(file) && statSync(file).size > maxLogBytes) renameSync(file, `${file}.old`);
  return openSync(file, 'a');
}
