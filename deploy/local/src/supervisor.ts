import { type Child, startChild } from './child.ts';
import { type Environment } from './env.ts';
import { reasonOf, StackError } from './errors.ts';
import type { StackPaths } from './paths.ts';
import { parts } from './parts/index.ts';
import type { Launcher, Part, PartPorts } from './parts/part.ts';
import { pollUntil } from './poll.ts';
import { signalProcess } from './processes.ts';
import { type PartName, partOf, type PartState, type ProcessName } from './state.ts';

export interface SupervisorOptions {
  readonly paths: StackPaths;
  readonly cache: string;
  readonly env: Environment;
  readonly log: (line: string) => void;
  /** Called at each change of a part, so that the state file always names every living child. */
  readonly onChange: (states: Partial<Record<ProcessName, PartState>>) => void;
  /** Called once when a part has ended by itself; the owner then stops the stack. */
  readonly onDeath: (error: StackError) => void;
}

interface ManagedPart extends ProcessPorts {
  readonly name: ProcessName;
  readonly part: Part;
  readonly launcher: Launcher;
  child?: Child | undefined;
  /** Whether it has served. An earlier end is a failure of the start and goes to the caller that waits for it. */
  ready?: boolean;
}

/** The ports of one process, and of all brokers. */
export interface ProcessPorts extends PartPorts {
  readonly brokers: readonly PartPorts[];
}

/**
 * Runs the parts of one stack as children of this process.
 *
 * A part is launched → ready → (halted → ready)* → stopped. The unexpected end of a ready part is a death. It is
 * reported once and the part is never restarted silently, because a part that restarts by itself hides what a developer
 * needs to see. Halting and resuming are requested (fault tests), keep port and data, and are not a death.
 */
export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #managed = new Map<ProcessName, ManagedPart>();
  readonly #external = new Map<PartName, string>();
  /** Launch order; the stop uses the reverse order. */
  readonly #order: ProcessName[] = [];
  readonly #expectedEnds = new Set<Child>();
  #stopping = false;

  constructor(options: SupervisorOptions) {
    this.#options = options;
  }

  /** Waits until an existing server answers. This process never starts or stops it. */
  async useExternal(name: PartName, url: string, variable: string, signal?: AbortSignal): Promise<void> {
    this.#external.set(name, url);
    try {
      await pollUntil(() => parts[name].probe(url), { timeoutMs: 10_000, intervalMs: 500, signal });
    } catch (error) {
      signal?.throwIfAborted();
      throw new StackError(
        'EXTERNAL_UNREACHABLE',
        `${name}: ${variable} says ${redact(url)}, but nothing usable answers there: ${reasonOf(error)}`,
        `unset ${variable}   # also in .env, and the stack starts its own`,
        { cause: error },
      );
    }
    this.#options.log(`${name}: using ${redact(url)} (${variable})`);
    this.#changed();
  }

  /** Launches a part and waits until it is ready. */
  async launch(
    name: ProcessName,
    launcher: Launcher,
    ports: ProcessPorts,
    signal?: AbortSignal,
  ): Promise<void> {
    const managed: ManagedPart = { name, part: parts[partOf(name)], launcher, ...ports };
    this.#managed.set(name, managed);
    if (!this.#order.includes(name)) this.#order.push(name);
    await this.#run(managed, signal);
  }

  /** Stops one part on request. It keeps its port and data. */
  async halt(name: ProcessName, signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    const { child, part } = this.#get(name);
    if (child === undefined) return;
    this.#expectedEnds.add(child);
    await (signal === 'SIGKILL' ? child.kill() : child.stop(part.stopMs));
    this.#get(name).child = undefined;
    this.#changed();
    this.#options.log(`${name}: halted (${signal})`);
  }

  /** Starts a halted part again on its port with its data, and waits until it is ready. */
  async resume(name: ProcessName, signal?: AbortSignal): Promise<void> {
    const managed = this.#get(name);
    if (managed.child === undefined) await this.#run(managed, signal);
  }

  /** Stops all parts in reverse order, within bounded time: a part that does not stop on request is killed. */
  async stop(): Promise<void> {
    this.#stopping = true;
    const order = this.#order.toReversed();
    // Brokers stop together: without a quorum, the last ones could not ask a controller for a controlled shutdown.
    for (const part of new Set(order.map(partOf)))
      await Promise.all(order.filter((name) => partOf(name) === part).map((name) => this.#stopOne(name)));
  }

  async #stopOne(name: ProcessName): Promise<void> {
    const managed = this.#managed.get(name);
    const child = managed?.child;
    if (managed === undefined || child === undefined) return;
    await child.stop(managed.part.stopMs);
    managed.child = undefined;
    this.#changed();
  }

  /** Signals all parts without waiting: a last resort when this process is about to exit. */
  terminateNow(): void {
    for (const { child } of this.#managed.values()) {
      if (child !== undefined) signalProcess(child.identity, 'SIGTERM');
    }
  }

  states(): Partial<Record<ProcessName, PartState>> {
    const states: Partial<Record<ProcessName, PartState>> = {};
    for (const [name, url] of this.#external) states[name] = { kind: 'external', url };
    for (const [name, { part, launcher, port, child }] of this.#managed) {
      states[name] = {
        kind: 'managed',
        url: part.urlFor(port),
        port,
        engine: launcher.engine,
        log: this.#options.paths.log(name),
        ...(child !== undefined && { process: child.identity }),
      };
    }
    return states;
  }

  async #run(managed: ManagedPart, signal?: AbortSignal): Promise<void> {
    const { name, part, launcher, port, extraPort, brokers } = managed;
    const { paths, cache, env, log } = this.#options;
    const startedAt = performance.now();
    const spec = await launcher.prepare({
      paths,
      cache,
      env,
      log,
      signal,
      port,
      extraPort,
      process: name,
      brokers,
    });
    signal?.throwIfAborted();
    const child = await startChild(spec, paths.log(name), env);
    managed.child = child;
    managed.ready = false;
    this.#changed();
    // The stop may have run while the process was being created.
    if (this.#stopping) await child.stop(part.stopMs);
    const died = new AbortController();
    void child.exited.then((exit) => {
      if (this.#stopping || this.#expectedEnds.has(child)) return;
      managed.child = undefined;
      const how = exit.signal ?? `exit code ${exit.code ?? 'unknown'}`;
      const error = new StackError(
        'PART_DIED',
        `${name} ended by itself (${how}); its log: ${paths.log(name)}`,
        `npm run stack -- logs ${name}`,
      );
      died.abort(error);
      this.#changed();
      if (managed.ready === true) this.#options.onDeath(error);
    });
    await this.#untilReady(
      managed,
      AbortSignal.any([died.signal, ...(signal === undefined ? [] : [signal])]),
    );
    managed.ready = true;
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
    log(`${name}: ready on 127.0.0.1:${port} (${launcher.engine}, ${seconds} s)`);
  }

  async #untilReady({ name, part, launcher, port }: ManagedPart, signal: AbortSignal): Promise<void> {
    const attempt = async (): Promise<void> => {
      await launcher.initialise?.(port);
      await part.probe(part.urlFor(port));
    };
    try {
      await pollUntil(attempt, { timeoutMs: part.readyMs, intervalMs: 150, signal });
    } catch (error) {
      signal.throwIfAborted();
      throw new StackError(
        'NOT_READY',
        `${name} was not ready on 127.0.0.1:${port} after ${part.readyMs / 1000} s: ${reasonOf(error)}`,
        `npm run stack -- logs ${name}`,
        { cause: error },
      );
    }
  }

  #get(name: ProcessName): ManagedPart {
    const managed = this.#managed.get(name);
    if (managed === undefined) {
      throw new StackError(
        'NOT_MANAGED',
        `${name} is not started by this stack, so it cannot be restarted by it`,
        'npm run stack -- status',
      );
    }
    return managed;
  }

  #changed(): void {
    this.#options.onChange(this.states());
  }
}

/** Returns a URL without its password, for a log. */
function redact(url: string): string {
  return url.replace(/(\/\/[^:/@]*):[^@]*@/, '$1:***@');
}
