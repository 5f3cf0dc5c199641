import {
  actionStatsSchema,
  actionPaginationSchema,
  actionViewSchema,
  failureSchema,
  logEntrySchema,
  logPaginationSchema,
  logSummarySchema,
  successSchema,
} from './schemas.ts';
import { accountIdSchema, actionIdSchema } from '@bulk/domain';
import { z } from 'zod';

/** Header with the id of a request. */
export const REQUEST_ID_HEADER = 'x-request-id';

/** The path of every operation on one action. */
export const actionPathSchema = z.object({
  id: actionIdSchema.meta({
    description: 'The action: `actionId` of the answer to POST /bulk-actions.',
    example: '0193a3c4-5b6f-7c1d-8e2f-a1b2c3d4e5f6',
  }),
});

/** Headers that every request may have. */
export const requestHeadersSchema = z.object({
  [REQUEST_ID_HEADER]: z.string().optional().meta({
    description:
      "The caller's own id of this request, for the logs of both sides; up to 128 printable characters. Without one, or with another, a new one is made.",
  }),
});

/** Headers of every answer. */
export const answerHeadersSchema = z.object({
  [REQUEST_ID_HEADER]: z.string().meta({ description: 'The id of this request in our logs.' }),
});

const wholeNumber = z.string().regex(/^\d+$/);

export const retryAfterSchema = z.object({
  'retry-after': wholeNumber.optional().meta({ description: 'Seconds after which to try again.' }),
});

/** Headers of answers where a rate limit is configured. */
export const rateLimitHeadersSchema = z.object({
  'ratelimit-limit': wholeNumber.optional().meta({ description: 'Requests in any window.' }),
  'ratelimit-remaining': wholeNumber.optional().meta({ description: 'Requests that are left now.' }),
  'ratelimit-reset': wholeNumber
    .optional()
    .meta({ description: 'Seconds until the oldest request of the window counts no more.' }),
});

/** Headers of answers that an action was accepted, or refused for a quota, where quotas are configured. */
export const quotaHeadersSchema = z.object({
  'quota-unfinished-actions-limit': wholeNumber.optional().meta({
    description: 'Maximum number of unfinished actions of the account.',
  }),
  'quota-unfinished-actions-remaining': wholeNumber.optional().meta({
    description:
      'Actions that the account may still start. An action that ended less than a second ago may still count.',
  }),
  'quota-staged-bytes-limit': wholeNumber.optional().meta({
    description: 'Maximum number of bytes of the entities of unfinished actions of the account.',
  }),
  'quota-staged-bytes-remaining': wholeNumber
    .optional()
    .meta({ description: 'Bytes of them that are free.' }),
  'quota-rows-per-day-limit': wholeNumber.optional().meta({
    description: 'Maximum number of entities that the account sends in a day of UTC.',
  }),
  'quota-rows-per-day-remaining': wholeNumber
    .optional()
    .meta({ description: 'Entities that are left of the day.' }),
  'quota-rows-per-day-reset': wholeNumber.optional().meta({
    description: 'Seconds until the day ends and all of them are free again.',
  }),
});

export const locationHeaderSchema = z.object({
  location: z.string().meta({ description: 'The URL of the new action.' }),
});

/** Answers with one thing. */
export function one<T extends z.ZodType>(data: T) {
  return successSchema(data).omit({ pagination: true });
}

/** Answers with a page of the account's actions. */
export function actionPage() {
  return successSchema(z.array(actionViewSchema)).extend({ pagination: actionPaginationSchema });
}

/** Answers with a page of an action's outcomes. */
export function logPage() {
  return successSchema(z.array(logEntrySchema)).extend({ pagination: logPaginationSchema });
}

/** What of an error answer's `details` names a fault of the request. */
const fieldIssueSchema = z.object({
  field: z.string().meta({ description: 'Where: a path such as `entities[3].id`.' }),
  message: z.string().meta({ description: 'What was expected there.' }),
});

/** The envelope of a refusal with one of these codes. */
export function failureWith(codes: readonly string[], status: number): z.ZodObject {
  const error = failureSchema.shape.error.extend({
    code: z.enum(codes).meta({ description: 'Stable: act on it.' }),
    message: z.string().meta({ description: 'For people: may change.' }),
    ...(status === 400 ? { details: z.array(fieldIssueSchema).optional() } : {}),
  });
  return failureSchema.extend({ error });
}

/** Schemas that have a name in the document. */
export const NAMED_SCHEMAS = {
  Action: actionViewSchema,
  ActionStats: actionStatsSchema,
  LogEntry: logEntrySchema,
  LogSummary: logSummarySchema,
  ActionPagination: actionPaginationSchema,
  LogPagination: logPaginationSchema,
  AccountId: accountIdSchema,
} as const;
