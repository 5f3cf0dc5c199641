import type { Environment } from '@bulk/local-stack';
import type { ServiceDiedError } from '../../processes/errors.ts';
import { choosePorts } from '../../processes/service-ports.ts';
import { ServiceProcess } from '../../processes/service-process.ts';
import { beginLog } from '../../processes/output.ts';
import type { LogMode, Role } from './config.ts';
import { ROLES } from './config.ts';

const READY_MS = 60_000;

export interface PeerOptions {
  /** URLs of the real parts, the peer's database and prefix. */
  readonly env: Environment;
  /** Arguments to Node. */
  readonly args: readonly string[];
  readonly logMode: LogMode;
  /** Number of jobs at the same time. */
  readonly concurrency: number;
  readonly cwd: string;
  readonly logOf: (name: string) => string;
}

/** The processes of the peer: one with the API and the gateway, and one worker. */
export class PeerProcesses {
  readonly url: string;
  readonly #members: ReadonlyMap<string, ServiceProcess>;
  readonly #release: () => Promise<void>;

  private constructor(
    url: string,
    members: ReadonlyMap<string, ServiceProcess>,
    release: () => Promise<void>,
  ) {
    this.url = url;
    this.#members = members;
    this.#release = release;
  }

  /** Starts the peer and waits until it is ready. If it fails, no process is left. */
  static async start(options: PeerOptions): Promise<PeerProcesses> {
    const ports = await choosePorts(
      ROLES.map((purpose) => ({ purpose })),
      options.env,
    );
    const members = new Map<string, ServiceProcess>();
    const url = `http://127.0.0.1:${ports.port('api')}`;
    const peer = new PeerProcesses(url, members, ports.release);
    try {
      for (const role of ROLES) members.set(role, await spawn(role, ports.port(role), options));
      await Promise.all([...members.values()].map((member) => member.waitUntilReady(READY_MS)));
      return peer;
    } catch (error) {
      await peer.stop();
      throw error;
    }
  }

  /** Process ids by name. */
  get pids(): Map<string, number> {
    return new Map([...this.#members].map(([name, { pid }]) => [name, pid]));
  }

  /** The first unexpected end of a process. Never rejects; pending while all is well. */
  get died(): Promise<ServiceDiedError> {
    return Promise.race([...this.#members.values()].map(({ died }) => died));
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#members.values()].map((member) => member.stop()));
    await this.#release();
  }
}

function spawn(role: Role, port: number, options: PeerOptions): Promise<ServiceProcess> {
  const path = options.logOf(`peer-${role}`);
  beginLog(path);
  return ServiceProcess.spawn({
    name: `peer ${role}`,
    args: options.args,
    cwd: options.cwd,
    env: {
      ...options.env,
      PORT: String(port),
      PEER_ROLE: role,
      PEER_CONCURRENCY: String(options.concurrency),
      PEER_LOG_MODE: options.logMode,
    },
    adminPort: port,
    output: { kind: 'file', path },
  });
}
