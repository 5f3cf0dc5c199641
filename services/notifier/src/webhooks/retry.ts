import { backoffDelay, instantAfter, type BackoffOptions } from '@bulk/domain';
import type { Settlement } from './claimed-webhook.ts';
import type { SendResult } from './webhook-sender.ts';

export interface RetryRules {
  /** Maximum number of tries of a webhook. */
  readonly maxAttempts: number;
  readonly backoff: BackoffOptions;
}

/**
 * Decides what follows from a try.
 *
 * @param attempts number of tries so far, including this one.
 * @param random uniform in [0, 1).
 */
export function settlementOf(
  result: SendResult,
  attempts: number,
  { maxAttempts, backoff }: RetryRules,
  now: Date,
  random?: () => number,
): Settlement {
  switch (result.kind) {
    case 'delivered':
      return { kind: 'delivered' };
    case 'aborted':
      return { kind: 'handed-back' };
    case 'refused':
      return { kind: 'given-up', error: result.error };
    case 'failed': {
      const { error, retryAfter } = result;
      if (attempts >= maxAttempts) return { kind: 'given-up', error };
      const asked = Math.min(retryAfterMs(retryAfter, now) ?? 0, backoff.maxDelayMs);
      const delayMs = Math.max(asked, backoffDelay(attempts, backoff, random));
      return { kind: 'retry', at: instantAfter(now, delayMs), error };
    }
  }
}

/**
 * Parses a `Retry-After` (seconds, or an HTTP date).
 *
 * @returns the wait in ms; `undefined` if the header is absent or invalid.
 */
export function retryAfterMs(header: string | undefined, now: Date): number | undefined {
  if (header === undefined) return undefined;
  if (/^\d{1,9}$/.test(header)) return Number(header) * 1_000;
  const at = /^[A-Z][a-z]{2}, /.test(header) ? Date.parse(header) : Number.NaN;
  return Number.isNaN(at) ? undefined : Math.max(0, at - now.getTime());
}
