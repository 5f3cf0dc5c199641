import { checkNeeds, faultOf, optionalInteger } from '@bulk/runtime';
import type { z } from 'zod';
import type { Quota, QuotaLimits } from './quota.ts';

/**
 * Each unfinished action is an entry in the document of its account. This bound keeps it well below
 * MongoDB's limit.
 */
const MAX_UNFINISHED_ACTIONS = 10_000;

/** Variables of the quotas of work. */
export const quotaConfigShape = {
  QUOTA_UNFINISHED_ACTIONS: optionalInteger(
    { min: 1, max: MAX_UNFINISHED_ACTIONS },
    'Maximum number of unfinished actions of one account, including scheduled and paused actions and uploads under way. Absent: no limit.',
  ),
  QUOTA_STAGED_BYTES: optionalInteger(
    { min: 1_024, max: 1_125_899_906_842_624 },
    'Maximum number of bytes of JSON in the entities of the unfinished actions of one account. It needs QUOTA_UNFINISHED_ACTIONS. Absent: no limit.',
  ),
  QUOTA_ROWS_PER_DAY: optionalInteger(
    { min: 1, max: 1_000_000_000_000 },
    'Maximum number of entities that one account sends in a calendar day of UTC; those of refused requests do not count. Absent: no limit.',
  ),
};

export type QuotaConfig = z.infer<z.ZodObject<typeof quotaConfigShape>>;

/** Checks the variables against each other. For `superRefine` of a service's schema. */
export function checkQuotaConfig(config: QuotaConfig, context: z.RefinementCtx): void {
  const bounded = config.QUOTA_UNFINISHED_ACTIONS !== undefined;
  checkNeeds(config, ['QUOTA_STAGED_BYTES'], 'QUOTA_UNFINISHED_ACTIONS', bounded, faultOf(context));
}

/** Returns the limits of a configuration; `undefined` if no quota is configured. */
export function quotaLimitsOf(config: QuotaConfig): QuotaLimits | undefined {
  const limits: QuotaLimits = {
    ...limit('unfinished-actions', config.QUOTA_UNFINISHED_ACTIONS),
    ...limit('staged-bytes', config.QUOTA_STAGED_BYTES),
    ...limit('rows-per-day', config.QUOTA_ROWS_PER_DAY),
  };
  return Object.keys(limits).length === 0 ? undefined : limits;
}

function limit(quota: Quota, value: number | undefined): QuotaLimits {
  return value === undefined ? {} : { [quota]: value };
}
