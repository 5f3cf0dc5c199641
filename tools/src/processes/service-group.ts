import { workspaceRoot, type Environment } from '@bulk/local-stack';
import { InvalidPortError, type ServiceDiedError } from './errors.ts';
import { beginLog, type ServiceOutput } from './output.ts';
import { choosePorts, type PortWish, type ServicePorts } from './service-ports.ts';
import { ServiceProcess } from './service-process.ts';
import { launchArguments, SERVICES, type LaunchMode, type ServiceName } from './services.ts';

export interface ServiceGroupOptions {
  /**
   * Environment of every service: URLs of the real parts, prefixes, log level.
   *
   * `PORT` (or `INTAKE_PORT`) and `NOTIFIER_PORT` require a port. Without them the usual 3000 and
   * 3001 are taken if they are free, else any.
   */
  readonly env: Environment;
  readonly mode: LaunchMode;
  readonly output: (instance: string) => ServiceOutput;
  /** Number of instances of each service. @default 1 */
  readonly instances?: Partial<Record<ServiceName, number>>;
  /** Further variables of one service. */
  readonly extraEnv?: Partial<Record<ServiceName, Readonly<Record<string, string>>>>;
  /** Arguments to Node that replace those of `mode`, for a build in another place. */
  readonly args?: Partial<Record<ServiceName, readonly string[]>>;
  /** Longest time until all are ready, in ms. @default 60,000 */
  readonly readyTimeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
}

const DEFAULT_READY_TIMEOUT_MS = 60_000;

/**
 * Services without a gateway in front serve only this machine, unless the environment says
 * otherwise.
 */
const ON_THIS_MACHINE = { HOST: '127.0.0.1', ADMIN_HOST: '127.0.0.1' };

/** The services' own defaults. Further instances take any port. */
const USUAL_PORTS: Readonly<Record<string, number | undefined>> = {
  intake: 3_000,
  notifier: 3_001,
  'intake.admin': 3_100,
  'handler.admin': 3_102,
  'stats-aggregator.admin': 3_103,
  'notifier.admin': 3_104,
};

/**
 * The services of one installation as children of this process, started and stopped together.
 *
 * Starting → ready → stopped. A member that ends by itself settles `died`; the owner decides what
 * to do.
 */
export class ServiceGroup {
  /** The first unexpected end of a member. Never rejects; pending while all is well. */
  readonly died: Promise<ServiceDiedError>;
  readonly #options: ServiceGroupOptions;
  readonly #ports: ServicePorts;
  readonly #members = new Map<string, ServiceProcess>();
  #reportDeath: (error: ServiceDiedError) => void = () => undefined;

  private constructor(options: ServiceGroupOptions, ports: ServicePorts) {
    this.#options = options;
    this.#ports = ports;
    this.died = new Promise((resolve) => {
      this.#reportDeath = resolve;
    });
  }

  /**
   * Starts all services and waits until they are ready. If it fails, none is left.
   *
   * @throws ServiceDiedError, ServiceNotReadyError, PortTakenError.
   */
  static async start(options: ServiceGroupOptions): Promise<ServiceGroup> {
    const instances = SERVICES.flatMap((name) => instancesOf(name, options));
    const ports = await choosePorts(portWishes(instances, options.env), options.env);
    const group = new ServiceGroup(options, ports);
    try {
      await Promise.all(instances.map(({ name, instance }) => group.#launch(name, instance)));
      await group.waitUntilReady();
      return group;
    } catch (error) {
      await group.stop();
      options.signal?.throwIfAborted();
      throw error;
    }
  }

  get intakeUrl(): string {
    return this.urlOf('intake');
  }

  /** @param instance an instance of intake, e.g. `intake-2` for the second one. */
  urlOf(instance: string): string {
    return `http://127.0.0.1:${this.#ports.port(instance)}`;
  }

  get notifierUrl(): string {
    return `ws://127.0.0.1:${this.#ports.port('notifier')}`;
  }

  get members(): readonly ServiceProcess[] {
    return [...this.#members.values()];
  }

  /** @param instance e.g. `handler`, or `handler-2` for the second one. */
  member(instance: string): ServiceProcess {
    const found = this.#members.get(instance);
    if (found === undefined)
      throw new Error(`no such instance: ${instance}; there are ${[...this.#members.keys()].join(', ')}`);
    return found;
  }

  /** Starts an ended instance again, on its ports, and waits until it is ready. */
  async restart(instance: string): Promise<ServiceProcess> {
    const process = await this.relaunch(instance);
    await process.waitUntilReady(this.#readyTimeoutMs, this.#options.signal);
    return process;
  }

  /**
   * Starts an ended instance again without the wait, because its dependencies may be unavailable.
   */
  async relaunch(instance: string): Promise<ServiceProcess> {
    const former = this.member(instance);
    await former.stop();
    return this.#spawn(former);
  }

  async waitUntilReady(): Promise<void> {
    const waits = this.members.map((member) =>
      member.waitUntilReady(this.#readyTimeoutMs, this.#options.signal),
    );
    await Promise.all(waits);
  }

  /** Waits until every dependency of every member is available, as after an outage. */
  async waitUntilHealthy(): Promise<void> {
    const waits = this.members.map((member) =>
      member.waitUntilHealthy(this.#readyTimeoutMs, this.#options.signal),
    );
    await Promise.all(waits);
  }

  /** Stops every member at once. Each finishes or hands back its work. Idempotent. */
  async stop(graceMs?: number): Promise<void> {
    await Promise.all(this.members.map((member) => member.stop(graceMs)));
    await this.#ports.release();
  }

  get #readyTimeoutMs(): number {
    return this.#options.readyTimeoutMs ?? DEFAULT_READY_TIMEOUT_MS;
  }

  async #launch(name: ServiceName, instance: string): Promise<void> {
    const { env, mode, extraEnv } = this.#options;
    const output = this.#options.output(instance);
    if (output.kind === 'file') beginLog(output.path);
    const adminPort = this.#ports.port(`${instance}.admin`);
    const ownPort = name === 'intake' || name === 'notifier' ? this.#ports.port(instance) : undefined;
    await this.#spawn({
      launch: {
        name: instance,
        args: this.#options.args?.[name] ?? launchArguments(name, mode),
        cwd: workspaceRoot,
        env: {
          ...ON_THIS_MACHINE,
          ...env,
          ...extraEnv?.[name],
          PORT: ownPort === undefined ? undefined : String(ownPort),
          ADMIN_PORT: String(adminPort),
        },
        adminPort,
        output,
      },
    });
  }

  async #spawn({ launch }: Pick<ServiceProcess, 'launch'>): Promise<ServiceProcess> {
    const process = await ServiceProcess.spawn(launch);
    this.#members.set(launch.name, process);
    void process.died.then((error) => this.#reportDeath(error));
    return process;
  }
}

interface Instance {
  readonly name: ServiceName;
  readonly instance: string;
}

function instancesOf(name: ServiceName, options: ServiceGroupOptions): Instance[] {
  const count = options.instances?.[name] ?? 1;
  return Array.from({ length: count }, (_, i) => ({ name, instance: i === 0 ? name : `${name}-${i + 1}` }));
}

function portWishes(instances: readonly Instance[], env: Environment): PortWish[] {
  const demanded: Partial<Record<string, Demand>> = {
    ...demand('intake', 'PORT', env),
    ...demand('intake', 'INTAKE_PORT', env),
    ...demand('notifier', 'NOTIFIER_PORT', env),
  };
  return instances.flatMap(({ name, instance }): PortWish[] => {
    const admin = { purpose: `${instance}.admin`, preferred: USUAL_PORTS[`${instance}.admin`] };
    if (name !== 'intake' && name !== 'notifier') return [admin];
    const wanted = demanded[instance];
    return wanted === undefined
      ? [{ purpose: instance, preferred: USUAL_PORTS[instance] }, admin]
      : [{ purpose: instance, preferred: wanted.port, demandedBy: wanted.variable }, admin];
  });
}

interface Demand {
  readonly variable: string;
  readonly port: number;
}

function demand(instance: string, variable: string, env: Environment): Record<string, Demand> {
  const value = env[variable]?.trim() ?? '';
  if (value === '') return {};
  const port = Number(value);
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw new InvalidPortError(variable, value);
  return { [instance]: { variable, port } };
}
