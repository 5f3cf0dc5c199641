import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { releasePorts, reservePorts, type Child } from '@bulk/local-stack';
import { Redis } from 'ioredis';
import { BreakableLink } from './breakable-link.ts';
import { eventually } from './eventually.ts';
import { provision, REDIS_GRACE_MS, startRedisProcess } from './redis-process.ts';

const SERVERS = ['primary', 'replica', 'sentinel'] as const;
type Server = (typeof SERVERS)[number];

/** Name of the primary at the sentinel. */
export const SENTINEL_NAME = 'bulk';
/** Passwords of the servers and of the sentinel. */
const PASSWORD = 'of-the-servers';
const SENTINEL_PASSWORD = 'of-the-sentinel';

/**
 * A real Redis with a replica, and a sentinel that makes the replica the primary when the primary is dead. All of them
 * ask for a password.
 */
export class ReplicatedRedis {
  /** Carries the replication. */
  readonly replication: BreakableLink;
  readonly #folder: string;
  readonly #ports: ReadonlyMap<Server, number>;
  readonly #children = new Map<Server, Child>();

  private constructor(folder: string, ports: ReadonlyMap<Server, number>, replication: BreakableLink) {
    this.#folder = folder;
    this.#ports = ports;
    this.replication = replication;
  }

  /**
   * Resolves when the replica follows the primary and the sentinel knows both. A sentinel asks a primary for its replicas
   * only every ten seconds, and never again once the primary is dead.
   */
  static async start(): Promise<ReplicatedRedis> {
    const folder = mkdtempSync(join(tmpdir(), 'replicated-redis-'));
    const reserved = await reservePorts(provision.cache, new Map(SERVERS.map((name) => [name, []])));
    const ports = new Map(SERVERS.map((name) => [name, reserved.get(name) ?? 0]));
    const link = await BreakableLink.to('127.0.0.1', ports.get('primary') ?? 0);
    const self = new ReplicatedRedis(folder, ports, link);
    const server = [
      `requirepass ${PASSWORD}`,
      `masterauth ${PASSWORD}`,
      'save ""',
      'appendonly yes',
      // Otherwise the first synchronisation waits for further replicas.
      'repl-diskless-sync-delay 0',
    ];
    await self.#spawn('primary', server);
    await self.#spawn('replica', [...server, `replicaof 127.0.0.1 ${link.port}`]);
    await self.#asking('replica', PASSWORD, (replica) =>
      eventually('the replica follows', async () =>
        (await replica.info('replication')).includes('master_link_status:up'),
      ),
    );
    await self.#spawn('sentinel', [
      `requirepass ${SENTINEL_PASSWORD}`,
      `sentinel monitor ${SENTINEL_NAME} 127.0.0.1 ${self.portOf('primary')} 1`,
      `sentinel auth-pass ${SENTINEL_NAME} ${PASSWORD}`,
      `sentinel down-after-milliseconds ${SENTINEL_NAME} 500`,
      // A failover that finds no replica is tried again after twice this time.
      `sentinel failover-timeout ${SENTINEL_NAME} 3000`,
    ]);
    await self.#replicaIsKnown();
    return self;
  }

  /** For the environment of a service: the sentinel, and no other address. */
  get env(): Readonly<Record<string, string>> {
    return {
      REDIS_URL: '',
      REDIS_PASSWORD: PASSWORD,
      REDIS_SENTINELS: `127.0.0.1:${this.portOf('sentinel')}`,
      REDIS_SENTINEL_NAME: SENTINEL_NAME,
      REDIS_SENTINEL_PASSWORD: SENTINEL_PASSWORD,
    };
  }

  /** For the configuration of a client: the address of one server. */
  envOf(name: 'primary' | 'replica'): Readonly<Record<string, string>> {
    return { REDIS_URL: `redis://:${PASSWORD}@127.0.0.1:${this.portOf(name)}` };
  }

  async kill(name: Server): Promise<void> {
    await this.#children.get(name)?.kill();
    this.#children.delete(name);
  }

  portOf(name: Server): number {
    return this.#ports.get(name) ?? 0;
  }

  /**
   * Starts a server, or a killed one again with its data.
   *
   * @param more arguments that take precedence over its file.
   */
  async resume(name: Server, more: readonly string[] = []): Promise<void> {
    const folder = join(this.#folder, name);
    const mode = name === 'sentinel' ? ['--sentinel'] : [];
    const args = [join(folder, 'redis.conf'), ...mode, ...more];
    this.#children.set(name, await startRedisProcess(folder, args));
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#children.values()].map((child) => child.stop(REDIS_GRACE_MS)));
    await this.replication.close();
    await releasePorts(provision.cache, this.#ports.values());
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #replicaIsKnown(): Promise<void> {
    await this.#asking('sentinel', SENTINEL_PASSWORD, (sentinel) =>
      eventually('the sentinel knows the replica', async () => {
        const replicas = await sentinel.call('SENTINEL', 'REPLICAS', SENTINEL_NAME);
        return Array.isArray(replicas) && replicas.length === 1;
      }),
    );
  }

  async #asking(name: Server, password: string, ask: (client: Redis) => Promise<unknown>): Promise<void> {
    const client = new Redis({
      port: this.portOf(name),
      password,
      maxRetriesPerRequest: 0,
      retryStrategy: () => 50,
    });
    // Each question fails while there is no connection, and is asked again.
    client.on('error', () => undefined);
    try {
      await ask(client);
    } finally {
      client.disconnect();
    }
  }

  async #spawn(name: Server, lines: readonly string[]): Promise<void> {
    const folder = join(this.#folder, name);
    mkdirSync(folder);
    const all = [`port ${this.portOf(name)}`, 'bind 127.0.0.1', `dir ${folder}`, ...lines];
    // A sentinel rewrites its file.
    writeFileSync(join(folder, 'redis.conf'), `${all.join('\n')}\n`);
    await this.resume(name);
  }
}
