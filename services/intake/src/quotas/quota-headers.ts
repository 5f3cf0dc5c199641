import type { QuotaState } from './quota.ts';

/**
 * Builds the headers that show the quotas of an account.
 *
 * Each quota has its limit, what remains, and, if known, the seconds until all of it is free again.
 */
export function quotaHeaders(states: readonly QuotaState[], now: Date): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const { quota, limit, used, resetsAt } of states) {
    headers[`quota-${quota}-limit`] = String(limit);
    headers[`quota-${quota}-remaining`] = String(Math.max(0, limit - used));
    if (resetsAt === undefined) continue;
    const seconds = Math.ceil((resetsAt.getTime() - now.getTime()) / 1_000);
    headers[`quota-${quota}-reset`] = String(Math.max(0, seconds));
  }
  return headers;
}
