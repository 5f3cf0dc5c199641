import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import { request } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KAFKA_USERS, type KafkaUser } from '@bulk/contracts';
import {
  cacheFolder,
  findSecantusRust,
  packageRoot,
  provideJava,
  provideKafka,
  provideRedis,
  provideSecantusWheel,
  releasePorts,
  reservePorts,
  run,
  startChild,
  type Child,
  type ProvisionContext,
} from '@bulk/local-stack';
import { eventually } from '@bulk/testing';
import { MongoClient } from 'mongodb';

/**
 * The user and passwords of the parts. The test searches for them in everything that the services
 * print.
 */
export const USER = 'bulk';
export const PASSWORDS = {
  kafka: 'kafka-7d1f@mark',
  registry: 'registry-9a2c/mark',
  mongodb: 'mongodb-4e8b:mark',
  redis: 'redis-c05d%mark',
} as const;

/** Name of the Redis at its sentinel. */
export const SENTINEL_NAME = 'secure';

/** Returns the name of the Kafka user of a service or tool. Its password is that of `USER`. */
export function kafkaUserName(user: KafkaUser): string {
  return `bulk-${user}`;
}

const context: ProvisionContext = { cache: cacheFolder(), env: process.env, log: console.log };
const GRACE_MS = 10_000;

/**
 * Real parts that require authentication, over TLS with a certificate of their own authority, on
 * their own ports.
 */
export class SecureParts {
  readonly ports: ReadonlyMap<string, number>;
  /** File with the certificate of the authority. */
  readonly caFile: string;
  readonly #folder: string;
  readonly #children = new Map<string, Child>();
  #gateway: Server | undefined;

  private constructor(folder: string, ports: ReadonlyMap<string, number>) {
    this.#folder = folder;
    this.ports = ports;
    this.caFile = join(folder, 'ca.pem');
  }

  /**
   * @param registryUrl URL of the registry that is put behind a gateway with TLS and basic
   * authentication.
   */
  static async start(registryUrl: string): Promise<SecureParts> {
    const folder = mkdtempSync(join(tmpdir(), 'secure-parts-'));
    // The last one is the admin port of the service under test.
    const names = ['kafka', 'oauth', 'internal', 'controller', 'mongodb', 'redis', 'sentinel', 'admin'];
    const ports = await reservePorts(context.cache, new Map(names.map((name) => [name, []])));
    const parts = new SecureParts(folder, ports);
    try {
      await makeCertificates(folder);
      await Promise.all([
        parts.#startKafka(),
        parts.#startMongo(),
        parts.#startRedis(),
        parts.#startSentinel(),
      ]);
      await parts.#startGateway(registryUrl);
      return parts;
    } catch (error) {
      await parts.stop();
      throw error;
    }
  }

  port(name: string): number {
    return this.ports.get(name) ?? 0;
  }

  get gatewayPort(): number {
    return (this.#gateway?.address() as AddressInfo).port;
  }

  /** Ends one of `kafka`, `mongodb`, `redis`. */
  async end(name: string): Promise<void> {
    await this.#children.get(name)?.stop(GRACE_MS);
    this.#children.delete(name);
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#children.keys()].map((name) => this.end(name)));
    this.#gateway?.closeAllConnections();
    await new Promise<void>((resolve) => (this.#gateway ? this.#gateway.close(() => resolve()) : resolve()));
    await releasePorts(context.cache, this.ports.values());
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #startKafka(): Promise<void> {
    const java = await provideJava(context);
    const classPath = join(await provideKafka(context), '*');
    const config = join(this.#folder, 'kafka.properties');
    writeFileSync(config, this.#kafkaProperties());
    const users = [USER, ...KAFKA_USERS.map(kafkaUserName)].flatMap((name) => [
      '--add-scram',
      `SCRAM-SHA-512=[name=${name},password=${PASSWORDS.kafka}]`,
    ]);
    const format = ['kafka.tools.StorageTool', 'format', '-t', 'YnVsay1sb2NhbC1zdGFjaw', '-c', config];
    const formatted = await run(java, ['-cp', classPath, ...format, ...users], context);
    if (formatted.code !== 0) throw new Error(`Kafka could not be formatted: ${formatted.output}`);
    const log4j = `-Dlog4j2.configurationFile=${join(packageRoot, 'maven', 'log4j2.properties')}`;
    await this.#spawn('kafka', java, ['-Xmx384m', log4j, '-cp', classPath, 'kafka.Kafka', config]);
    await eventually('Kafka listens', () => accepts(this.port('kafka')), { timeoutMs: 60_000 });
  }

  #kafkaProperties(): string {
    const at = (name: string): string => `127.0.0.1:${this.port(name)}`;
    const clientListeners = `SECURE://${at('kafka')},OAUTH://${at('oauth')},INTERNAL://${at('internal')}`;
    const properties = {
      'process.roles': 'broker,controller',
      'node.id': 1,
      'controller.quorum.voters': `1@${at('controller')}`,
      listeners: `${clientListeners},CONTROLLER://${at('controller')}`,
      'advertised.listeners': clientListeners,
      'listener.security.protocol.map':
        'SECURE:SASL_SSL,OAUTH:SASL_PLAINTEXT,INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT',
      'inter.broker.listener.name': 'INTERNAL',
      'controller.listener.names': 'CONTROLLER',
      'log.dirs': join(this.#folder, 'kafka'),
      'sasl.enabled.mechanisms': 'SCRAM-SHA-512',
      'listener.name.secure.scram-sha-512.sasl.jaas.config':
        'org.apache.kafka.common.security.scram.ScramLoginModule required;',
      // This listener takes tokens without a signature, and the user from their claim `sub`.
      'listener.name.oauth.sasl.enabled.mechanisms': 'OAUTHBEARER',
      'listener.name.oauth.oauthbearer.sasl.jaas.config':
        'org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";',
      'listener.name.oauth.oauthbearer.connections.max.reauth.ms': 60_000,
      'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
      // The brokers and controllers talk to each other without authentication.
      'super.users': `User:${USER};User:ANONYMOUS`,
      'ssl.keystore.type': 'PEM',
      'ssl.keystore.location': join(this.#folder, 'server-with-key.pem'),
      'auto.create.topics.enable': false,
      'offsets.topic.replication.factor': 1,
      'offsets.topic.num.partitions': 5,
      'transaction.state.log.replication.factor': 1,
      'transaction.state.log.min.isr': 1,
      'transaction.state.log.num.partitions': 5,
      'group.initial.rebalance.delay.ms': 0,
      'group.min.session.timeout.ms': 1_000,
    };
    return Object.entries(properties)
      .map(([key, value]) => `${key}=${value}\n`)
      .join('');
  }

  /** Starts MongoDB. Its user is created before it requires authentication. */
  async #startMongo(): Promise<void> {
    const command = (await findSecantusRust(context)) ?? (await provideSecantusWheel(context));
    const config = join(this.#folder, 'secantusd.toml');
    writeFileSync(config, '');
    const port = String(this.port('mongodb'));
    const args = ['--config', config, '--host', '127.0.0.1', '--port', port, '--cache-size', '128M'];
    args.push('--storage-path', join(this.#folder, 'mongodb'), '--log-level', 'WARNING');
    mkdirSync(join(this.#folder, 'mongodb'));
    await this.#spawn('mongodb', command, args);
    const client = new MongoClient(`mongodb://127.0.0.1:${port}/?directConnection=true`, {
      serverSelectionTimeoutMS: 30_000,
    });
    await client.db('admin').command({ createUser: USER, pwd: PASSWORDS.mongodb, roles: ['root'] });
    await client.close();
    await this.end('mongodb');
    const tls = ['--tls-cert-file', join(this.#folder, 'server.pem')];
    tls.push('--tls-key-file', join(this.#folder, 'server.key'));
    await this.#spawn('mongodb', command, [...args, '--auth', ...tls]);
  }

  async #startRedis(): Promise<void> {
    const folder = join(this.#folder, 'redis');
    mkdirSync(folder);
    const config = this.#redisFile('redis', ['appendonly yes', 'save ""', `dir ${folder}`]);
    await this.#spawn('redis', await provideRedis(context), [config]);
  }

  /** Starts a sentinel that names the Redis, over TLS and with the same user. */
  async #startSentinel(): Promise<void> {
    const config = this.#redisFile('sentinel', [
      'tls-replication yes',
      `sentinel monitor ${SENTINEL_NAME} 127.0.0.1 ${this.port('redis')} 1`,
      `sentinel auth-user ${SENTINEL_NAME} ${USER}`,
      `sentinel auth-pass ${SENTINEL_NAME} ${PASSWORDS.redis}`,
    ]);
    await this.#spawn('sentinel', await provideRedis(context), [config, '--sentinel']);
  }

  /** Writes the configuration of a server of Redis, and returns its path. */
  #redisFile(name: 'redis' | 'sentinel', more: readonly string[]): string {
    const config = join(this.#folder, `${name}.conf`);
    const lines = [
      'port 0',
      `tls-port ${this.port(name)}`,
      'bind 127.0.0.1',
      `tls-cert-file ${join(this.#folder, 'server.pem')}`,
      `tls-key-file ${join(this.#folder, 'server.key')}`,
      `tls-ca-cert-file ${this.caFile}`,
      'tls-auth-clients no',
      'user default off',
      `user ${USER} on >${PASSWORDS.redis} ~* &* +@all`,
      ...more,
    ];
    writeFileSync(config, `${lines.join('\n')}\n`);
    return config;
  }

  /** Starts a gateway in front of the real registry, as a company would. */
  async #startGateway(registryUrl: string): Promise<void> {
    const target = new URL(registryUrl);
    const expected = `Basic ${Buffer.from(`${USER}:${PASSWORDS.registry}`).toString('base64')}`;
    const pem = (name: string): string => readFileSync(join(this.#folder, name), 'utf8');
    this.#gateway = createServer({ cert: pem('server.pem'), key: pem('server.key') }, (from, to) => {
      if (from.headers.authorization !== expected) {
        to.writeHead(401, { 'content-type': 'application/json' }).end('{"message":"Unauthorized"}');
        return;
      }
      const headers = Object.fromEntries(
        Object.entries(from.headers).filter(([name]) => name !== 'authorization'),
      );
      const options = { host: target.hostname, port: target.port, method: from.method, path: from.url };
      const onward = request({ ...options, headers: { ...headers, host: target.host } }, (answer) => {
        to.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(to);
      });
      onward.on('error', () => to.destroy());
      from.pipe(onward);
    });
    await new Promise<void>((resolve) => this.#gateway?.listen(0, '127.0.0.1', resolve));
  }

  async #spawn(name: string, command: string, args: readonly string[]): Promise<void> {
    const log = join(this.#folder, `${name}.log`);
    const child = await startChild({ command, args, cwd: this.#folder }, log, process.env);
    this.#children.set(name, child);
  }
}

/** Whether something listens on a port of this machine. */
function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.end(() => resolve(true)));
    socket.on('error', () => resolve(false));
  });
}

/** Creates an authority, and a certificate of 127.0.0.1 that it has signed. */
async function makeCertificates(folder: string): Promise<void> {
  const openssl = async (...args: string[]): Promise<void> => {
    const { code, output } = await run('openssl', args, { ...context, cwd: folder });
    if (code !== 0) throw new Error(`openssl ${args[0] ?? ''}: ${output}`);
  };
  const newKey = ['-newkey', 'rsa:2048', '-nodes'];
  await openssl(
    'req',
    '-x509',
    ...newKey,
    '-keyout',
    'ca.key',
    '-out',
    'ca.pem',
    '-days',
    '2',
    '-subj',
    '/CN=ca',
  );
  await openssl('req', ...newKey, '-keyout', 'server.key', '-out', 'server.csr', '-subj', '/CN=server');
  writeFileSync(join(folder, 'names'), 'subjectAltName=IP:127.0.0.1');
  const signed = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2', '-extfile', 'names'];
  await openssl('x509', '-req', '-in', 'server.csr', ...signed, '-out', 'server.pem');
  const both = ['server.key', 'server.pem'].map((name) => readFileSync(join(folder, name), 'utf8'));
  writeFileSync(join(folder, 'server-with-key.pem'), both.join(''));
}
