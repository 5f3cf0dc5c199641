import { EXPECTED_MAX_FAILURES, isFailureShare, ON_MAX_FAILURES, REASON_CODES } from '@bulk/domain';
import { z } from 'zod';

/** The largest number of failures that a request may tolerate: the largest number of fifteen digits. */
const MAX_FAILURES = 999_999_999_999_999;

const maxFailuresSchema = z.union(
  [z.int().min(0).max(MAX_FAILURES), z.string().refine(isFailureShare, EXPECTED_MAX_FAILURES)],
  EXPECTED_MAX_FAILURES,
);

const MAX_FAILURES_DESCRIPTION =
  'The largest tolerated number of failed positions (100; 0 tolerates none), or their share of the outcomes so far (5%). A share counts from the 100th outcome on, or at the end of a smaller action. Default: any number may fail.';

const onMaxFailures = z
  .enum(ON_MAX_FAILURES, `expected one of ${ON_MAX_FAILURES.join(', ')}`)
  .optional()
  .meta({
    description:
      'What happens when more have failed. fail (the default): the rest is skipped (`ACTION_FAILED`), and the action ends as failed. pause: the action pauses, and after a resume the limit no longer applies.',
  });

/** The failure limit, as parameters of an action. */
export const failureLimitShape = {
  maxFailures: maxFailuresSchema.optional().meta({ description: MAX_FAILURES_DESCRIPTION }),
  onMaxFailures,
};

/** The same parameters as text in a query. */
export const failureLimitQueryShape = {
  maxFailures: z
    .string()
    .transform((text) => (/^\d{1,15}$/.test(text) ? Number(text) : text))
    .optional()
    .meta({ description: `${MAX_FAILURES_DESCRIPTION} The percent sign is written %25.` }),
  onMaxFailures,
};

/** The failure limit of an action as the API shows it. */
export const failureLimitViewShape = {
  maxFailures: maxFailuresSchema
    .nullable()
    .meta({ description: 'The tolerated number or share of failures; null if any number may fail.' }),
  onMaxFailures: z
    .enum(ON_MAX_FAILURES)
    .nullable()
    .meta({ description: 'What happens when more have failed; null without `maxFailures`.' }),
};

/** Why an action failed, or was paused without a request. */
export const actionReasonSchema = z.object({
  code: z.enum(REASON_CODES).meta({ description: Object.values(REASON_CODES).join(', ') }),
  message: z.string(),
});

/** `reason` of the views of an action. */
export const reasonView = actionReasonSchema.nullable().meta({
  description:
    'Why the action is failing, has failed, or was paused by its failure limit; null if none of these holds.',
});

const effectCount = z.int().nonnegative();

/** `effects` of the views of an action. */
export const effectsView = z
  .object({ created: effectCount, updated: effectCount, unchanged: effectCount, deleted: effectCount })
  .nullable()
  .meta({
    description:
      'Successes by what they did. Those of which the action type does not say it are in none of them. null for an action that an older version of the platform accepted.',
  });
