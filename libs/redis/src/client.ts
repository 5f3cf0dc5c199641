import { CodedError } from '@bulk/domain';
import type { Logger } from '@bulk/runtime';
import { Redis } from 'ioredis';
import type { RedisConfig } from './config.ts';

/** Thrown in place of the client's error; the fault is Redis' or the network's, so a later try may succeed. */
export class RedisUnavailableError extends CodedError {
  constructor(cause: unknown) {
    super('REDIS_UNAVAILABLE', `Redis: ${cause instanceof Error ? cause.message : String(cause)}`, {
      retryable: true,
      cause,
    });
  }
}

/**
 * Connects and asks for an answer. Afterwards the client reconnects by itself; a command while it is away fails within
 * `REDIS_TIMEOUT_MS` instead of queueing without bound.
 *
 * @throws RedisUnavailableError when nobody answers.
 */
export async function connectRedis(config: RedisConfig, log: Logger): Promise<Redis> {
  const options = {
    lazyConnect: true,
    connectTimeout: config.REDIS_TIMEOUT_MS,
    commandTimeout: config.REDIS_TIMEOUT_MS,
    disconnectTimeout: 500,
    maxRetriesPerRequest: 1,
    retryStrategy: (times: number) => Math.min(100 * times, 2_000),
  };
  const redis =
    config.REDIS_URL === undefined
      ? new Redis({ ...options, host: config.REDIS_HOST, port: config.REDIS_PORT })
      : new Redis(config.REDIS_URL, options);
  // The client rejects with "Connection is closed"; why it is, it only emits.
  let lastError: Error | undefined;
  redis.on('error', (error: Error) => {
    lastError = error;
    log.debug({ reason: error.message }, 'redis connection error');
  });
  try {
    await redis.connect();
    await redis.ping();
    return redis;
  } catch (error) {
    redis.disconnect();
    throw new RedisUnavailableError(lastError ?? error);
  }
}
