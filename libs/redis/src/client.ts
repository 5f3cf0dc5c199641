import { openDependency, secretOf, type Logger, type ServiceContext } from '@bulk/runtime';
import { Redis, type RedisOptions } from 'ioredis';
import type { RedisConfig } from './config.ts';
import { REDIS_UNAVAILABLE, RedisError } from './errors.ts';
import { SentinelRedis } from './sentinel-client.ts';

/** Name of Redis on `/healthz`. */
export const REDIS = 'redis';

/**
 * Waits for Redis and connects, for a service that cannot work without it. The client is disconnected when the service
 * releases what it opened.
 *
 * @throws the signal's reason if the service is stopped first.
 */
export async function openRedis(config: RedisConfig, context: ServiceContext): Promise<Redis> {
  const redis = await openDependency(REDIS, () => connectRedis(config, context.log), context);
  context.releasers.push(REDIS, () => redis.disconnect());
  context.dependencies.add({ name: REDIS, code: REDIS_UNAVAILABLE, probe: () => redis.ping() });
  return redis;
}

/**
 * Connects to Redis and checks that it answers. Afterwards the client reconnects by itself. While Redis is unavailable,
 * a command fails within `REDIS_TIMEOUT_MS` instead of queueing without bound.
 *
 * @throws RedisError if Redis does not answer or refuses the client.
 */
export async function connectRedis(config: RedisConfig, log: Logger): Promise<Redis> {
  const redis = newClient(config, config.REDIS_TIMEOUT_MS, { maxRetriesPerRequest: 1 });
  // The client rejects with "Connection is closed"; it only emits the reason.
  let lastError: Error | undefined;
  redis.on('error', (error: Error) => {
    lastError = error;
    log.debug({ reason: error.message }, 'Redis connection failed');
  });
  try {
    await redis.connect();
    await redis.ping();
    return redis;
  } catch (error) {
    redis.disconnect();
    throw new RedisError(lastError ?? error);
  }
}

/**
 * Returns a client that connects in the background and reconnects by itself, for work that can do without Redis for a
 * while. A command fails at once while Redis is unavailable, and within `commandTimeoutMs` if Redis hangs. Nothing is
 * sent twice.
 */
export function connectRedisInBackground(config: RedisConfig, commandTimeoutMs: number, log: Logger): Redis {
  const redis = newClient(config, commandTimeoutMs, {
    maxRetriesPerRequest: 0,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
  });
  redis.on('error', (error: Error) => log.debug({ reason: error.message }, 'Redis connection failed'));
  // The first try may fail. The client continues to try, and emits `ready`.
  redis.connect().catch(() => undefined);
  return redis;
}

type OwnOptions = Pick<
  RedisOptions,
  'maxRetriesPerRequest' | 'enableOfflineQueue' | 'autoResendUnfulfilledCommands'
>;

function newClient(config: RedisConfig, commandTimeoutMs: number, own: OwnOptions): Redis {
  const options = {
    lazyConnect: true,
    commandTimeout: commandTimeoutMs,
    // A connection that a failover or a firewall has left half-open is closed. Otherwise every command on it would
    // fail, one by one, for ever.
    socketTimeout: config.REDIS_TIMEOUT_MS,
    connectTimeout: config.REDIS_TIMEOUT_MS,
    disconnectTimeout: 500,
    retryStrategy: (times: number) => Math.min(100 * times, 2_000),
    // The server has become a replica. Its address, or the sentinels, may name another primary by now.
    reconnectOnError: ({ message }: Error) => message.startsWith('READONLY'),
    ...own,
  };
  const whole = { ...options, ...accessOf(config) };
  if (config.REDIS_SENTINELS !== undefined)
    return new SentinelRedis({ ...whole, ...sentinelOptions(config) });
  return config.REDIS_URL === undefined
    ? new Redis({ ...whole, host: config.REDIS_HOST, port: config.REDIS_PORT })
    : // With rediss: in the URL, the client would ignore our certificates.
      new Redis(config.REDIS_URL.replace(/^rediss:/, 'redis:'), whole);
}

/** Returns how the client finds the primary: it asks the sentinels before each connection. */
function sentinelOptions(config: RedisConfig): Omit<RedisOptions, 'replyMapping'> {
  const { REDIS_SENTINELS: sentinels = [], REDIS_SENTINEL_NAME: name = '' } = config;
  const { REDIS_SENTINEL_USERNAME: username } = config;
  const password = secretOf(config, 'REDIS_SENTINEL_PASSWORD');
  const { tls } = accessOf(config);
  return {
    sentinels: sentinels.map((address) => ({ ...address })),
    name,
    sentinelCommandTimeout: config.REDIS_TIMEOUT_MS,
    ...(username === undefined ? {} : { sentinelUsername: username }),
    ...(password === undefined ? {} : { sentinelPassword: password }),
    ...(tls === undefined ? {} : { enableTLSForSentinelMode: true, sentinelTLS: tls }),
  };
}

/** Returns the TLS options, and the credentials that the URL does not contain. */
function accessOf(config: RedisConfig): Pick<RedisOptions, 'username' | 'password' | 'tls'> {
  const { REDIS_USERNAME: username, REDIS_TLS_CA_FILE: ca } = config;
  const password = secretOf(config, 'REDIS_PASSWORD');
  const encrypted = config.REDIS_TLS || config.REDIS_URL?.startsWith('rediss:') === true;
  return {
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(encrypted ? { tls: ca === undefined ? {} : { ca } } : {}),
  };
}
