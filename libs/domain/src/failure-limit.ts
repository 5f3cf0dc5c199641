import { processed, type Counts } from './accounting.ts';

/** What happens when more positions have failed than an action tolerates. */
export const ON_MAX_FAILURES = ['fail', 'pause'] as const;
export type OnMaxFailures = (typeof ON_MAX_FAILURES)[number];

/** Number of outcomes from which a share of failures counts. A smaller action is judged at its end. */
export const MIN_SHARE_OUTCOMES = 100;

/** How many positions of an action may fail. */
export interface FailureLimit {
  /** The largest tolerated number or share of failures. */
  readonly max: number;
  /** What `max` counts: failures, or hundredths of a percent of the outcomes so far. */
  readonly unit: 'failures' | 'basisPoints';
  readonly then: OnMaxFailures;
  /**
   * Absent while the limit applies. `reached`: more have failed. `lifted`: a person has resumed the action after that.
   * It is never judged again once it has a state.
   */
  readonly state?: 'reached' | 'lifted';
}

/** The texts of `maxFailures` that are a share: above 0% and below 100%, with at most two decimals. */
const SHARE = /^\d{1,2}(\.\d{1,2})?%$/;
const BASIS_POINTS = 100;

/** The expected form of `maxFailures`, for answers and documents. */
export const EXPECTED_MAX_FAILURES =
  'expected a whole number from 0, or a share above 0% and below 100%, such as "5%"';

/** Returns whether a text is a share of failures, such as `5%` or `0.25%`. */
export function isFailureShare(text: string): boolean {
  return SHARE.test(text) && Number.parseFloat(text) > 0;
}

/**
 * Returns the limit of a request.
 *
 * @param maxFailures a number of failures, or a share for which `isFailureShare` holds.
 */
export function failureLimit(maxFailures: number | string, then: OnMaxFailures = 'fail'): FailureLimit {
  return typeof maxFailures === 'number'
    ? { max: maxFailures, unit: 'failures', then }
    : { max: Math.round(Number.parseFloat(maxFailures) * BASIS_POINTS), unit: 'basisPoints', then };
}

/** Returns the limit as a request states it. */
export function maxFailuresOf({ max, unit }: FailureLimit): number | string {
  return unit === 'failures' ? max : `${max / BASIS_POINTS}%`;
}

/** Returns whether more positions have failed than a limit tolerates. */
export function exceedsLimit({ max, unit }: FailureLimit, counts: Counts, total: number): boolean {
  if (unit === 'failures') return counts.failure > max;
  const done = processed(counts);
  return done >= Math.min(MIN_SHARE_OUTCOMES, total) && counts.failure * 100 * BASIS_POINTS > max * done;
}

/** An action whose failures are judged. */
export interface JudgedAction {
  readonly ended: boolean;
  /** Whether its rest was given up before, by a cancellation or by the limit. */
  readonly stopping: boolean;
  readonly total: number;
}

/**
 * Returns the limit of an action after outcomes were counted: `reached` if they exceed it. An action that has ended or
 * is being cancelled is not judged.
 */
export function judgedLimit(
  limit: FailureLimit | undefined,
  counts: Counts,
  { ended, stopping, total }: JudgedAction,
): FailureLimit | undefined {
  if (limit === undefined || limit.state !== undefined || stopping || ended) return limit;
  return exceedsLimit(limit, counts, total) ? { ...limit, state: 'reached' } : limit;
}

/** Returns whether a limit has made its action fail. */
export function hasFailed(limit: FailureLimit | undefined): boolean {
  return limit?.state === 'reached' && limit.then === 'fail';
}

/** Why an action failed, or was paused without a request. */
export interface ActionReason {
  readonly code: keyof typeof REASON_CODES;
  /** One sentence for people. */
  readonly message: string;
}

/** The codes of the reasons. */
export const REASON_CODES = {
  /** More positions have failed than `maxFailures` tolerates. */
  TOO_MANY_FAILURES: 'TOO_MANY_FAILURES',
} as const;

/** Returns why an action is failing, has failed or was paused by its limit; null if none of these holds. */
export function reasonOf(limit: FailureLimit | undefined, paused: boolean): ActionReason | null {
  if (limit?.state !== 'reached') return null;
  if (limit.then === 'pause' && !paused) return null;
  const share = limit.unit === 'failures' ? '' : ' of the outcomes';
  return {
    code: REASON_CODES.TOO_MANY_FAILURES,
    message: `more than ${maxFailuresOf(limit)}${share} failed (maxFailures)`,
  };
}
