import { describe, expect, it } from '@jest/globals';
import { loadConfig } from '@bulk/runtime';
import { handlerConfigSchema, handlerTimes } from './config.ts';

const HOUR_MS = 3_600_000;
const timesOf = (env: Record<string, string>) => handlerTimes(loadConfig(handlerConfigSchema, env));

describe('the time limits of handler', () => {
  it('follow the retention of Kafka by default', () => {
    expect(timesOf({})).toEqual({
      retryMaxAgeMs: 24 * HOUR_MS,
      firstPositionsMs: 278 * HOUR_MS,
    });
    expect(timesOf({ KAFKA_RETENTION_HOURS: '336' })).toEqual({
      retryMaxAgeMs: 48 * HOUR_MS,
      firstPositionsMs: 554 * HOUR_MS,
    });
  });

  it('are accepted when they agree with the retention of Kafka', () => {
    expect(timesOf({ RETRY_MAX_AGE_MS: '60000', FIRST_POSITIONS_TTL_HOURS: '720' })).toEqual({
      retryMaxAgeMs: 60_000,
      firstPositionsMs: 720 * HOUR_MS,
    });
  });

  it.each<[Record<string, string>, string]>([
    [
      { FIRST_POSITIONS_TTL_HOURS: '168' },
      'FIRST_POSITIONS_TTL_HOURS: expected at least 278 with KAFKA_RETENTION_HOURS=168',
    ],
    [
      { KAFKA_RETENTION_HOURS: '24', RETRY_MAX_AGE_MS: '43200000' },
      'RETRY_MAX_AGE_MS: expected, with the last wait of RETRY_TIERS_MS added, at most half of KAFKA_RETENTION_HOURS=24, which is 43200000 ms',
    ],
    [
      { KAFKA_RETENTION_HOURS: '1' },
      'RETRY_TIERS_MS: expected a last wait of at most 1285715 ms with KAFKA_RETENTION_HOURS=1',
    ],
  ])('are refused when they contradict each other: %j', (env, message) => {
    expect(() => loadConfig(handlerConfigSchema, env)).toThrow(message);
  });
});
