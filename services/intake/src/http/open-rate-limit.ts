import { connectRedisInBackground, REDIS, type RedisConfig } from '@bulk/redis';
import { delay, type ServiceContext } from '@bulk/runtime';
import type { RateLimitConfig } from './rate-limit-config.ts';
import { RateLimit } from './rate-limit.ts';

/**
 * Opens the rate limit of a configuration; `undefined` if no account has a limit.
 *
 * It waits for Redis no longer than a request would: intake starts without Redis. If requests are
 * refused while Redis is unavailable, `/healthz` reports so for the whole outage.
 *
 * @param onLimited called for each request that is refused.
 */
export async function openRateLimit(
  config: RateLimitConfig & RedisConfig,
  { log, health, releasers, signal }: ServiceContext,
  onLimited: () => void,
): Promise<RateLimit | undefined> {
  const accounts = config.RATE_LIMIT_ACCOUNTS ?? new Map<string, number>();
  const whenAway = config.RATE_LIMIT_WHEN_REDIS_IS_AWAY;
  if ([config.RATE_LIMIT_MAX, ...accounts.values()].every((limit) => limit === 0)) return undefined;

  const redis = connectRedisInBackground(config, config.RATE_LIMIT_TIMEOUT_MS, log);
  releasers.push(REDIS, () => redis.disconnect());
  if (whenAway === 'closed') {
    health.set(REDIS, 'waiting');
    redis.on('ready', () => health.set(REDIS, 'ready'));
    redis.on('close', () => health.set(REDIS, 'waiting', 'the connection is closed'));
  }
  const connected = new AbortController();
  redis.once('ready', () => connected.abort());
  await delay(config.RATE_LIMIT_TIMEOUT_MS, AbortSignal.any([connected.signal, signal]));
  return new RateLimit({
    redis,
    prefix: config.REDIS_PREFIX,
    max: config.RATE_LIMIT_MAX,
    accounts,
    windowMs: config.RATE_LIMIT_WINDOW_MS,
    whenAway,
    onLimited,
    log,
  });
}
