import type { Database } from '@bulk/mongo';
import { connectRedisInBackground, type RedisConfig } from '@bulk/redis';
import { configuredLifetimes, type RetentionConfig, type ServiceContext } from '@bulk/runtime';
import { FirstPositionRelease } from './first-position-release.ts';
import { FirstPositionRenewal } from './first-position-renewal.ts';

/**
 * Number of redelivery margins between the end of an action and its release.
 *
 * A handler relies on first positions for one margin. The other covers clocks that differ.
 */
const RELEASE_MARGINS = 2;

/** The two works that keep the first positions in Redis as long as they are of use. */
export interface FirstPositionUpkeep {
  readonly release: FirstPositionRelease;
  readonly renewal: FirstPositionRenewal;
}

/**
 * Creates the release and the renewal of first positions.
 *
 * Both share a connection to Redis of their own. Intake works without it: what is due waits.
 */
export function createFirstPositionUpkeep(
  database: Database,
  config: RedisConfig & RetentionConfig & { readonly KAFKA_LANE_PARTITIONS: number },
  { log, releasers, signal }: Pick<ServiceContext, 'log' | 'releasers' | 'signal'>,
): FirstPositionUpkeep {
  const redis = connectRedisInBackground(config, config.REDIS_TIMEOUT_MS, log);
  releasers.push('redis of first positions', () => redis.disconnect());
  const lifetimeMs = configuredLifetimes(config).recognisedMs;
  const shared = { redis, prefix: config.REDIS_PREFIX, partitions: config.KAFKA_LANE_PARTITIONS, signal };
  return {
    release: new FirstPositionRelease(database, {
      ...shared,
      releaseAfterMs: RELEASE_MARGINS * config.REDELIVERY_MARGIN_MS,
      forgottenAfterMs: lifetimeMs,
      now: () => new Date(),
    }),
    renewal: new FirstPositionRenewal(database, {
      ...shared,
      lifetimeMs,
      monotonic: () => performance.now(),
    }),
  };
}
