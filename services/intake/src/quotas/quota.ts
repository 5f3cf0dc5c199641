import type { AccountQuotaDocument } from '@bulk/mongo';

/** The quotas of an account, in the order in which a request is checked against them. */
export const QUOTAS = ['unfinished-actions', 'staged-bytes', 'rows-per-day'] as const;
export type Quota = (typeof QUOTAS)[number];

/** Limits of every account. An absent quota has no limit. */
export type QuotaLimits = Readonly<Partial<Record<Quota, number>>>;

/** What the work of an account takes of its quotas. */
export type Usage = Pick<AccountQuotaDocument, 'actions' | 'bytes' | 'rows' | 'day'>;

/** What a request takes or requests. */
export type Amounts = Readonly<Record<Quota, number>>;

/** The current state of one quota of an account. */
export interface QuotaState {
  readonly quota: Quota;
  readonly limit: number;
  readonly used: number;
  /** When all of the quota is free again; absent if that depends on the ends of actions. */
  readonly resetsAt?: Date;
}

export const NOTHING: Amounts = { 'unfinished-actions': 0, 'staged-bytes': 0, 'rows-per-day': 0 };
/** What an action needs at least. */
export const SMALLEST_ACTION: Amounts = { 'unfinished-actions': 1, 'staged-bytes': 1, 'rows-per-day': 1 };

/** Returns the UTC day of an instant, such as `2026-11-25`. Days sort as texts. */
export function dayOf(instant: Date): string {
  return instant.toISOString().slice(0, 'yyyy-mm-dd'.length);
}

/**
 * Returns the current states of the configured quotas.
 *
 * @param own amount that is left out of what is used.
 */
export function statesOf(limits: QuotaLimits, usage: Usage, own: Amounts = NOTHING): QuotaState[] {
  const used: Amounts = {
    'unfinished-actions': usage.actions,
    'staged-bytes': usage.bytes,
    'rows-per-day': usage.rows,
  };
  return QUOTAS.flatMap((quota) => {
    const limit = limits[quota];
    if (limit === undefined) return [];
    return [
      {
        quota,
        limit,
        used: Math.max(0, used[quota] - own[quota]),
        ...(quota === 'rows-per-day' ? { resetsAt: endOfDay(usage.day) } : {}),
      },
    ];
  });
}

/** Returns the first quota that has no room for more; `undefined` if all have. */
export function exceededBy(limits: QuotaLimits, usage: Usage, more: Amounts): Quota | undefined {
  return statesOf(limits, usage).find(
    ({ quota, limit, used }) => more[quota] > 0 && used + more[quota] > limit,
  )?.quota;
}

function endOfDay(day: string): Date {
  const end = new Date(`${day}T00:00:00Z`);
  end.setUTCDate(end.getUTCDate() + 1);
  return end;
}
