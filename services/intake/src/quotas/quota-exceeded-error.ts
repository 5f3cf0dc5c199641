import { RestError } from '@bulk/contracts';
import { quotaHeaders } from './quota-headers.ts';
import type { Quota, QuotaState } from './quota.ts';

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
