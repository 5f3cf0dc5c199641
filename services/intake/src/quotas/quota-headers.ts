import type { QuotaState } from './quota.ts';

/**
 * The headers that show the quotas of an account: for each of them its limit, what remains, and the seconds until all of it is
 * free again if that is known.
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
