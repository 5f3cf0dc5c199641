import { spawn, type ChildProcess, type StdioOptions } from 'node:child_process';
import { closeSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  identify,
  isAlive,
  signalProcess,
  terminate,
  tiedToUs,
  type ProcessIdentity,
} from '@bulk/local-stack';
import { ServiceDiedError, ServiceNotReadyError } from './errors.ts';
import { openLog, tailOfLog, type ServiceOutput } from './output.ts';
import { probeReadiness, type ReadinessPath } from './readiness.ts';

/** How one instance of a service is started. */
export interface ServiceLaunch {
  /** Name in messages and of the log, e.g. `handler` or `handler-2`. */
  readonly name: string;
  /** Arguments to Node. */
  readonly args: readonly string[];
  readonly cwd: string;
  /** The whole environment of the process. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Port of its `/readyz`. */
  readonly adminPort: number;
  readonly output: ServiceOutput;
}

export interface ServiceExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

const READY_POLL_MS = 100;
/** More than the default of SHUTDOWN_GRACE_MS. */
const STOP_MS = 35_000;
const TAIL_LINES = 15;

/**
 * One service as a child process.
 *
 * It is signalled by the identity of its process, never by a bare pid, and the kernel ends it when
 * this process dies, however that happens. It leads a session of its own, so that Ctrl-C in a
 * terminal reaches only this process and the stop stays orderly.
 *
 * Running → exited. After `stop` and `kill` the end is expected; any other end is `died`.
 */
export class ServiceProcess {
  readonly launch: ServiceLaunch;
  readonly exited: Promise<ServiceExit>;
  /**
   * Settles when the service has ended by itself. Never rejects, and stays pending after a
   * requested end.
   */
  readonly died: Promise<ServiceDiedError>;
  readonly #identity: ProcessIdentity;
  #expected = false;

  private constructor(launch: ServiceLaunch, identity: ProcessIdentity, exited: Promise<ServiceExit>) {
    this.launch = launch;
    this.#identity = identity;
    this.exited = exited;
    this.died = new Promise((resolve) => {
      void exited.then((exit) => {
        if (!this.#expected) resolve(new ServiceDiedError(launch.name, describe(exit), this.tail()));
      });
    });
  }

  /** @throws the system's error if Node cannot be started. */
  static async spawn(launch: ServiceLaunch): Promise<ServiceProcess> {
    const [command, args] = tiedToUs(process.execPath, launch.args, launch.env);
    const { stdio, opened } = stdioOf(launch.output);
    const child = spawn(command, args, { cwd: launch.cwd, env: { ...launch.env }, stdio, detached: true });
    if (opened !== undefined) closeSync(opened);
    const exited = new Promise<ServiceExit>((resolve) => {
      child.once('exit', (code, signal) => resolve({ code, signal }));
    });
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', reject);
    });
    forwardLines(child, launch.output);
    const pid = child.pid ?? 0;
    return new ServiceProcess(launch, identify(pid) ?? { pid, startedAt: 'ended' }, exited);
  }

  get name(): string {
    return this.launch.name;
  }

  get pid(): number {
    return this.#identity.pid;
  }

  get running(): boolean {
    return isAlive(this.#identity);
  }

  /**
   * Polls `/readyz` until it answers 200.
   *
   * @throws ServiceDiedError if the process ends before; ServiceNotReadyError at the deadline,
   * which says what it waits for.
   */
  waitUntilReady(timeoutMs: number, signal?: AbortSignal): Promise<void> {
    return this.#poll('/readyz', timeoutMs, signal);
  }

  /**
   * Polls `/healthz` until it answers 200: everything that the service needs is available.
   *
   * @throws ServiceDiedError, ServiceNotReadyError as `waitUntilReady`.
   */
  waitUntilHealthy(timeoutMs: number, signal?: AbortSignal): Promise<void> {
    return this.#poll('/healthz', timeoutMs, signal);
  }

  async #poll(path: ReadinessPath, timeoutMs: number, signal?: AbortSignal): Promise<void> {
    const deadline = Date.now() + timeoutMs;
    const end = this.died.then((error) => ({ error }));
    for (;;) {
      signal?.throwIfAborted();
      const seen = await Promise.race([end, probeReadiness(this.launch.adminPort, path)]);
      if (seen === 'ready') return;
      if (typeof seen === 'object' && 'error' in seen) throw seen.error;
      if (Date.now() >= deadline) {
        throw new ServiceNotReadyError(this.name, timeoutMs, seen.waitingFor, this.tail());
      }
      await sleep(READY_POLL_MS, undefined, signal === undefined ? {} : { signal });
    }
  }

  /**
   * Asks the service to end, and ends it hard if it has not done so within `graceMs`. Idempotent.
   */
  async stop(graceMs = STOP_MS): Promise<ServiceExit> {
    this.#expected = true;
    // A process halted by SIGSTOP could not receive the request.
    signalProcess(this.#identity, 'SIGCONT');
    await terminate(this.#identity, graceMs);
    return this.exited;
  }

  /** Ends the service like a crash: SIGKILL. */
  async kill(): Promise<ServiceExit> {
    this.#expected = true;
    signalProcess(this.#identity, 'SIGKILL');
    return this.exited;
  }

  /**
   * Sends a signal, e.g. SIGSTOP to stall the service and SIGCONT to wake it.
   *
   * @returns `false` if it has ended.
   */
  signal(signal: NodeJS.Signals): boolean {
    return signalProcess(this.#identity, signal);
  }

  /**
   * Stalls the service by SIGSTOP, like a machine that swaps or is suspended.
   *
   * @returns `false` if it has ended.
   */
  suspend(): boolean {
    return this.signal('SIGSTOP');
  }

  /** Continues a stalled service by SIGCONT. @returns `false` if it has ended. */
  wake(): boolean {
    return this.signal('SIGCONT');
  }

  /** Returns the last lines of its log, if it has one. */
  tail(lines = TAIL_LINES): string {
    return this.launch.output.kind === 'file' ? tailOfLog(this.launch.output.path, lines) : '';
  }

  /** Returns its peak resident memory, in bytes; `undefined` if /proc does not report it. */
  peakMemory(): number | undefined {
    try {
      const kilobytes = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${this.pid}/status`, 'utf8'))?.[1];
      return kilobytes === undefined ? undefined : Number(kilobytes) * 1024;
    } catch {
      return undefined;
    }
  }
}

function describe({ code, signal }: ServiceExit): string {
  return signal ?? `exit code ${code ?? 'unknown'}`;
}

function stdioOf(output: ServiceOutput): { stdio: StdioOptions; opened?: number } {
  switch (output.kind) {
    case 'inherit':
      return { stdio: ['ignore', 'inherit', 'inherit'] };
    case 'lines':
      return { stdio: ['ignore', 'pipe', 'pipe'] };
    case 'file': {
      const opened = openLog(output.path);
      return { stdio: ['ignore', opened, opened], opened };
    }
  }
}

function forwardLines(child: ChildProcess, output: ServiceOutput): void {
  if (output.kind !== 'lines') return;
  for (const stream of [child.stdout, child.stderr]) {
    if (stream !== null) createInterface({ input: stream }).on('line', output.onLine);
  }
}
