import { RestError } from '@bulk/contracts';
import type { AccountQuotaDocument } from '@bulk/mongo';
import { quotaHeaders } from './quota-headers.ts';

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

/** Thrown when a request needs more than is left of a quota of its account. */
export class QuotaExceededError extends RestError {
  readonly quota: Quota;
  /** The quotas of the account without this request. */
  readonly states: readonly QuotaState[];
  /** `undefined` if waiting does not help, or the time is unknown. */
  readonly retryAfterSeconds: number | undefined;

  /** @param requested what the request asks for, as far as it has been read. */
  constructor(
    { quota, limit, used, resetsAt }: QuotaState,
    requested: number,
    states: readonly QuotaState[],
    now: Date,
  ) {
    const tooLarge = requested > limit;
    const seconds =
      resetsAt === undefined || tooLarge
        ? undefined
        : Math.max(1, Math.ceil((resetsAt.getTime() - now.getTime()) / 1_000));
    super('QUOTA_EXCEEDED', messageOf(quota, { limit, used, requested, tooLarge, resetsAt, seconds }), {
      details: {
        quota,
        limit,
        used,
        requested,
        ...(seconds === undefined ? {} : { retryAfterMs: seconds * 1_000 }),
      },
      headers: {
        ...quotaHeaders(states, now),
        ...(seconds === undefined ? {} : { 'retry-after': String(seconds) }),
      },
    });
    this.quota = quota;
    this.states = states;
    this.retryAfterSeconds = seconds;
  }
}

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

interface Facts {
  readonly limit: number;
  readonly used: number;
  readonly requested: number;
  /** Whether the request needs more than the whole quota. */
  readonly tooLarge: boolean;
  readonly resetsAt: Date | undefined;
  readonly seconds: number | undefined;
}

function messageOf(quota: Quota, { limit, used, requested, tooLarge, resetsAt, seconds }: Facts): string {
  if (quota === 'unfinished-actions') {
    return `the account may have ${limit} unfinished actions and has ${used}; try again when one of them has ended, or cancel one`;
  }
  const [unit, period, verb] =
    quota === 'staged-bytes'
      ? ['bytes of entities', 'in its unfinished actions', 'has']
      : ['rows', 'a day', 'has sent'];
  const needs = `the account may ${quota === 'staged-bytes' ? 'have' : 'send'} ${limit} ${unit} ${period} and ${verb} ${used}; this request needs at least ${requested}`;
  if (tooLarge) return `${needs}, which is more than the whole quota: split it`;
  if (quota === 'staged-bytes') return `${needs}; try again when an action has ended, or cancel one`;
  return `${needs}; the quota is free again at ${resetsAt?.toISOString() ?? ''}, in ${seconds ?? 0} s`;
}
