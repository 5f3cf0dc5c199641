import { mkdirSync } from 'node:fs';
import type { Server } from 'node:http';
import { z } from 'zod';
import { claimBrokers } from './brokers.ts';
import { type ControlCommand, serveControl, socketPath } from './control.ts';
import type { Environment } from './env.ts';
import { reasonOf, StackError } from './errors.ts';
import { readJson, writeAtomically } from './files.ts';
import type { StackPaths } from './paths.ts';
import { parts } from './parts/index.ts';
import type { Launcher, PartPorts } from './parts/part.ts';
import { isPortFree, releasePorts, reservePorts } from './ports.ts';
import { ownIdentity } from './processes.ts';
import { checkSpace } from './provision/disk.ts';
import type { EndSignal, RunningStack } from './running.ts';
import {
  brokerNumber,
  envLines,
  type PartName,
  partOf,
  partVariables,
  processesWith,
  type ProcessName,
  removeState,
  type StackState,
  type StackUrls,
  urlsOf,
  writeState,
} from './state.ts';
import { type ProcessPorts, Supervisor } from './supervisor.ts';

export interface OwnedStackOptions {
  readonly name: string;
  readonly paths: StackPaths;
  readonly cache: string;
  readonly env: Environment;
  readonly external: Partial<Record<PartName, string>>;
  readonly log: (line: string) => void;
  readonly dedicated: boolean;
  /** Number of Kafka brokers; see StartOptions. */
  readonly brokers?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

const portsSchema = z.record(z.string(), z.number().int());

type PortKey = ProcessName | `${ProcessName}.extra`;

/**
 * The stack that this process supervises: starting → ready → stopping → closed.
 *
 * It ends by `stop`, by the abort of the caller's signal, by another process's `down`, or by the death of a part. All
 * of them use `stop`, which runs once. If the process dies instead, the kernel ends the parts, and the state file shows
 * the next `up` or `down` what to look for.
 */
export class OwnedStack implements RunningStack {
  readonly attached = false;
  readonly name: string;
  readonly closed: Promise<StackError | undefined>;
  readonly #options: OwnedStackOptions;
  readonly #supervisor: Supervisor;
  readonly #control: string;
  readonly #starting = new AbortController();
  readonly #reserved = new Set<number>();
  #resolveClosed: (error: StackError | undefined) => void = () => undefined;
  readonly #startedAt = new Date().toISOString();
  #phase: StackState['phase'] = 'starting';
  #server: Server | undefined;
  #stopped: Promise<void> | undefined;
  #failure: StackError | undefined;

  private constructor(options: OwnedStackOptions) {
    this.name = options.name;
    this.#options = options;
    this.#control = socketPath(options.paths.control);
    this.closed = new Promise((resolve) => (this.#resolveClosed = resolve));
    this.#supervisor = new Supervisor({
      paths: options.paths,
      cache: options.cache,
      env: options.env,
      log: options.log,
      onChange: () => this.#record(),
      onDeath: (error) => this.#fail(error),
    });
  }

  /** Starts all parts, independent ones at the same time. The caller holds the stack's lock. */
  static async start(options: OwnedStackOptions): Promise<OwnedStack> {
    const stack = new OwnedStack(options);
    const { signal } = options;
    signal?.throwIfAborted();
    signal?.addEventListener('abort', stack.#onAbort, { once: true });
    process.once('exit', stack.#onExit);
    try {
      await stack.#start();
      return stack;
    } catch (error) {
      await stack.stop();
      throw stack.#failure ?? error;
    }
  }

  get urls(): StackUrls {
    return urlsOf(this.#supervisor.states());
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  halt(part: ProcessName, signal?: EndSignal): Promise<void> {
    return this.#supervisor.halt(part, signal);
  }

  resume(part: ProcessName): Promise<void> {
    return this.#supervisor.resume(part);
  }

  async restart(part: ProcessName, signal?: EndSignal): Promise<void> {
    await this.halt(part, signal);
    await this.resume(part);
  }

  async #start(): Promise<void> {
    const { paths, cache, external } = this.#options;
    await checkSpace(paths.root);
    mkdirSync(cache, { recursive: true });
    this.#record();
    this.#server = await serveControl(this.#control, (command) => this.#obey(command));
    const brokers = external.kafka === undefined ? claimBrokers(paths, this.#options.brokers) : 1;
    const processes = processesWith(brokers);
    const ports = await this.#choosePorts(processes.filter((name) => external[partOf(name)] === undefined));
    const launches = processes.map((name) =>
      this.#startPart(name, ports).catch((error: unknown) => {
        // The first failure interrupts the others; their errors only repeat it.
        this.#starting.abort(error);
        throw error;
      }),
    );
    await Promise.allSettled(launches);
    this.#starting.signal.throwIfAborted();
    this.#phase = 'ready';
    this.#record();
    const chosen = Object.fromEntries(ports);
    writeAtomically(paths.ports, JSON.stringify(chosen));
    writeAtomically(paths.env, `${envLines(this.urls).join('\n')}\n`);
  }

  async #startPart(name: ProcessName, ports: Map<PortKey, number>): Promise<void> {
    const { cache, env, log, external, paths } = this.#options;
    const signal = this.#starting.signal;
    const part = partOf(name);
    const url = external[part];
    if (url !== undefined) {
      await this.#supervisor.useExternal(part, url, partVariables[part], signal);
      return;
    }
    const launcher = await parts[part].provide({ cache, env, log, signal, paths });
    await this.#launch(name, launcher, ports);
  }

  /**
   * Launches a part. If another program takes its port between the choice and the part's listening, it tries another
   * port, once.
   */
  async #launch(name: ProcessName, launcher: Launcher, ports: Map<PortKey, number>): Promise<void> {
    const portsOf = (process: ProcessName): PartPorts => ({
      port: ports.get(process) ?? 0,
      extraPort: ports.get(`${process}.extra`) ?? 0,
    });
    const brokers = [...ports.keys()].flatMap((key) =>
      key.endsWith('.extra') || partOf(key as ProcessName) !== 'kafka' ? [] : [key as ProcessName],
    );
    const current = (): ProcessPorts => ({ ...portsOf(name), brokers: brokers.map(portsOf) });
    try {
      await this.#supervisor.launch(name, launcher, current(), this.#starting.signal);
    } catch (error) {
      const own = [current().port, current().extraPort].filter((port) => port !== 0);
      const free = await Promise.all(own.map((port) => isPortFree(port)));
      if (!(error instanceof StackError) || error.code !== 'PART_DIED' || free.every(Boolean)) throw error;
      // The other brokers already know the address of this one.
      if (partOf(name) === 'kafka' && brokers.length > 1) throw error;
      this.#options.log(`${name}: somebody else took its port meanwhile; trying another`);
      for (const [key, port] of await this.#choosePorts([name])) ports.set(key, port);
      await this.#supervisor.launch(name, launcher, current(), this.#starting.signal);
    }
  }

  /** Chooses the ports of last time, so that URLs stay; else the usual ones; else free ones. */
  async #choosePorts(names: readonly ProcessName[]): Promise<Map<PortKey, number>> {
    const last = readJson(this.#options.paths.ports, portsSchema) ?? {};
    const wanted = new Map<PortKey, number[]>();
    const add = (key: PortKey, usual: number): void => {
      wanted.set(
        key,
        [last[key], usual].filter((port) => port !== undefined),
      );
    };
    for (const name of names) {
      const { usualPort, usualExtraPort } = parts[partOf(name)];
      const further = 10_000 * (brokerNumber(name) - 1);
      add(name, usualPort + further);
      if (usualExtraPort !== undefined) add(`${name}.extra`, usualExtraPort + further);
    }
    const chosen = await reservePorts(this.#options.cache, wanted, this.#options.signal);
    for (const port of chosen.values()) this.#reserved.add(port);
    return chosen;
  }

  async #stop(): Promise<void> {
    this.#starting.abort(
      this.#options.signal?.reason ??
        new StackError('ABORTED', 'the stack was asked to stop', 'npm run stack -- up'),
    );
    this.#phase = 'stopping';
    this.#record();
    await this.#supervisor.stop();
    this.#server?.close();
    // A reservation that remains expires with this process.
    await releasePorts(this.#options.cache, this.#reserved).catch(() => undefined);
    removeState(this.#options.paths);
    this.#options.signal?.removeEventListener('abort', this.#onAbort);
    process.removeListener('exit', this.#onExit);
    this.#resolveClosed(this.#failure);
  }

  #fail(error: StackError): void {
    this.#failure ??= error;
    this.#options.log(`${error.message}; ending the stack`);
    if (this.#phase === 'starting') this.#starting.abort(error);
    else void this.stop();
  }

  async #obey(command: ControlCommand): Promise<void> {
    if (command.do === 'halt') await this.halt(command.part, command.signal);
    else if (command.do === 'resume') await this.resume(command.part);
    else if (this.#phase === 'starting') {
      this.#starting.abort(
        new StackError('ABORTED', 'the start was broken off by `down`', 'npm run stack -- up'),
      );
      await this.closed;
    } else await this.stop();
  }

  #record(): void {
    try {
      writeState(this.#options.paths, {
        version: 1,
        name: this.name,
        startedAt: this.#startedAt,
        phase: this.#phase,
        supervisor: ownIdentity(),
        dedicated: this.#options.dedicated,
        control: this.#control,
        parts: this.#supervisor.states(),
      });
    } catch (error) {
      // A full disk must not prevent the stop of the parts.
      if (this.#phase !== 'stopping') throw error;
      this.#options.log(`stack ${this.name}: its state could not be written: ${reasonOf(error)}`);
    }
  }

  readonly #onAbort = (): void => {
    if (this.#phase === 'starting') this.#starting.abort(this.#options.signal?.reason);
    else void this.stop();
  };

  readonly #onExit = (): void => this.#supervisor.terminateNow();
}
