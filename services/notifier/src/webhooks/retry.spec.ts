import { describe, expect, it } from '@jest/globals';
import { loadConfig } from '@bulk/runtime';
import { z } from 'zod';
import { deliveryConfigShape } from './config.ts';
import { retryAfterMs, settlementOf, type RetryRules } from './retry.ts';
import type { SendResult } from './webhook-sender.ts';

const NOW = new Date('2026-11-24T12:00:00Z');
const RULES: RetryRules = { maxAttempts: 4, backoff: { initialDelayMs: 1_000, maxDelayMs: 3_000 } };
const failed = (retryAfter?: string): SendResult => ({ kind: 'failed', error: 'HTTP 500', retryAfter });
const after = (ms: number) => ({ kind: 'retry', at: new Date(NOW.getTime() + ms), error: 'HTTP 500' });

describe('settlementOf', () => {
  it('doubles the delay after each failure, up to the bound, with full jitter', () => {
    const delays = [1, 2, 3].map((attempts) => settlementOf(failed(), attempts, RULES, NOW, () => 0.5));
    expect(delays).toEqual([after(500), after(1_000), after(1_500)]);
    expect(settlementOf(failed(), 3, RULES, NOW, () => 0)).toEqual(after(0));
  });

  it('gives up after the last try', () => {
    expect(settlementOf(failed(), 4, RULES, NOW)).toEqual({ kind: 'given-up', error: 'HTTP 500' });
  });

  it('waits as long as the receiver asks, up to the bound', () => {
    expect(settlementOf(failed('2'), 1, RULES, NOW)).toEqual(after(2_000));
    expect(settlementOf(failed('86400'), 1, RULES, NOW)).toEqual(after(3_000));
    expect(settlementOf(failed('0'), 1, RULES, NOW, () => 0.5)).toEqual(after(500));
  });

  it('gives up on a refusal and does not count a try that the notifier aborted', () => {
    expect(settlementOf({ kind: 'refused', error: 'no' }, 1, RULES, NOW)).toEqual({
      kind: 'given-up',
      error: 'no',
    });
    expect(settlementOf({ kind: 'aborted' }, 4, RULES, NOW)).toEqual({ kind: 'handed-back' });
    expect(settlementOf({ kind: 'delivered' }, 4, RULES, NOW)).toEqual({ kind: 'delivered' });
  });

  it('keeps trying for about a day by default', () => {
    const config = loadConfig(z.object(deliveryConfigShape), {});
    const rules = {
      maxAttempts: config.WEBHOOK_MAX_ATTEMPTS,
      backoff: {
        initialDelayMs: config.WEBHOOK_INITIAL_DELAY_MS,
        maxDelayMs: config.WEBHOOK_MAX_DELAY_MS,
      },
    };
    let ms = 0;
    for (let attempts = 1; attempts < rules.maxAttempts; attempts += 1) {
      const settlement = settlementOf(failed(), attempts, rules, NOW, () => 0.5);
      if (settlement.kind === 'retry') ms += settlement.at.getTime() - NOW.getTime();
    }
    expect(ms / 3_600_000).toBeCloseTo(20.5, 1);
  });
});

describe('retryAfterMs', () => {
  it.each([
    ['120', 120_000],
    ['0', 0],
    ['Tue, 24 Nov 2026 12:01:00 GMT', 60_000],
    ['Tue, 24 Nov 2026 11:00:00 GMT', 0],
  ])('reads %s', (header, ms) => {
    expect(retryAfterMs(header, NOW)).toBe(ms);
  });

  it.each([undefined, '', '-5', '1.5', 'soon', '9999999999', 'Xyz, never', '2026-11-24T12:01:00Z'])(
    'returns undefined for %p',
    (header) => {
      expect(retryAfterMs(header, NOW)).toBeUndefined();
    },
  );
});
