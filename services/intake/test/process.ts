import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { TestInstallation } from '@bulk/testing';

const MAIN = join(import.meta.dirname, '../src/main.ts');

/** intake in a process of its own. */
export interface IntakeProcess {
  readonly child: ChildProcess;
  readonly port: number;
  readonly url: string;
  /** The lines of its log so far. */
  readonly lines: readonly string[];
  readonly exited: Promise<number | null>;
}

/**
 * Starts intake as a process. It ends with the installation at the latest.
 *
 * @param nodeOptions options of the process, such as `--max-old-space-size=256`.
 */
export async function startIntakeProcess(
  installation: TestInstallation,
  env: Readonly<Record<string, string>> = {},
  nodeOptions: readonly string[] = [],
): Promise<IntakeProcess> {
  const child = spawn(process.execPath, [...nodeOptions, '--import', 'tsx', MAIN], {
    env: {
      PATH: process.env['PATH'],
      ...installation.env,
      PORT: '0',
      ADMIN_PORT: '0',
      LOG_LEVEL: 'info',
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exited = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
  installation.onDispose(async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
    await exited;
  });
  const lines: string[] = [];
  const port = await new Promise<number>((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      lines.push(line);
      const ready = /"port":(\d+).*"msg":"Service ready"/.exec(line)?.[1];
      if (ready !== undefined) resolve(Number(ready));
    });
    createInterface({ input: child.stderr }).on('line', (line) => lines.push(line));
    void exited.then(() => reject(new Error(`intake ended:\n${lines.join('\n')}`)));
  });
  return { child, port, url: `http://127.0.0.1:${port}`, lines, exited };
}
