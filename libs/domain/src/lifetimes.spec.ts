import { describe, expect, it } from '@jest/globals';
import { lifetimesOf } from './lifetimes.ts';

const HOUR_MS = 3_600_000;

describe('lifetimesOf', () => {
  it('keeps the records of repeated work longer than any copy of a batch, whatever the retention', () => {
    for (const hours of [1, 2, 24, 168, 720, 87_600]) {
      const times = lifetimesOf(hours * HOUR_MS);
      expect(times.retentionMs).toBe(hours * HOUR_MS);
      expect(times.longestKeptMs).toBeGreaterThan(times.retentionMs + times.segmentMs);
      expect(times.recognisedMs).toBeGreaterThan(times.longestKeptMs + times.retryAgeLimitMs);
      expect(times.retryMaxAgeMs).toBeLessThan(times.retryAgeLimitMs);
      expect(times.retryAgeLimitMs).toBeLessThan(times.retentionMs);
      for (const ms of Object.values(times)) expect(Number.isSafeInteger(ms)).toBe(true);
    }
  });

  it('derives a segment of a day, 24 hours of retries and tombstones of 278 hours from one week of retention', () => {
    expect(lifetimesOf(168 * HOUR_MS)).toEqual({
      retentionMs: 168 * HOUR_MS,
      segmentMs: 24 * HOUR_MS,
      longestKeptMs: 193 * HOUR_MS,
      retryMaxAgeMs: 24 * HOUR_MS,
      retryAgeLimitMs: 84 * HOUR_MS,
      recognisedMs: 278 * HOUR_MS,
    });
  });
});
