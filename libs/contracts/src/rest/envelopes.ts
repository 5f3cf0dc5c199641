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
    description: 'The id of the action: `actionId` in the answer to POST /bulk-actions.',
    example: '0193a3c4-5b6f-7c1d-8e2f-a1b2c3d4e5f6',
  }),
});

/** Headers that every request may have. */
export const requestHeadersSchema = z.object({
  [REQUEST_ID_HEADER]: z.string().optional().meta({
    description:
      "The caller's own id of this request, for the logs of both sides: up to 128 printable characters. If it is absent or has another form, the server generates one.",
  }),
});

/** Headers of every answer. */
export const answerHeadersSchema = z.object({
  [REQUEST_ID_HEADER]: z
    .string()
    .meta({ description: 'The id of this request in the logs of the platform.' }),
});

const wholeNumber = z.string().regex(/^\d+$/);

export const retryAfterSchema = z.object({
  'retry-after': wholeNumber.optional().meta({ description: 'Number of seconds after which to try again.' }),
});

/** Headers of answers where a rate limit is configured. */
export const rateLimitHeadersSchema = z.object({
  'ratelimit-limit': wholeNumber
    .optional()
    .meta({ description: 'Maximum number of requests of the account in any window.' }),
  'ratelimit-remaining': wholeNumber
    .optional()
    .meta({ description: 'Number of requests that the account may send now.' }),
  'ratelimit-reset': wholeNumber
    .optional()
    .meta({ description: 'Number of seconds until the oldest request of the window no longer counts.' }),
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
    .meta({ description: 'Number of those bytes that are free.' }),
  'quota-rows-per-day-limit': wholeNumber.optional().meta({
    description: 'Maximum number of entities that the account may send in a UTC day.',
  }),
  'quota-rows-per-day-remaining': wholeNumber
    .optional()
    .meta({ description: 'Number of entities that the account may still send today.' }),
  'quota-rows-per-day-reset': wholeNumber.optional().meta({
    description: 'Number of seconds until the UTC day ends and the whole quota is free again.',
  }),
});

export const locationHeaderSchema = z.object({
  location: z.string().meta({ description: 'The URL of the new action.' }),
});

/** Returns the schema of an answer with one item. */
export function one<T extends z.ZodType>(data: T) {
  return successSchema(data).omit({ pagination: true });
}

/** Returns the schema of an answer with a page of the account's actions. */
export function actionPage() {
  return successSchema(z.array(actionViewSchema)).extend({ pagination: actionPaginationSchema });
}

/** Returns the schema of an answer with a page of an action's outcomes. */
export function logPage() {
  return successSchema(z.array(logEntrySchema)).extend({ pagination: logPaginationSchema });
}

/** An entry of an error answer's `details` that names a fault of the request. */
const fieldIssueSchema = z.object({
  field: z.string().meta({ description: 'The place of the fault: a path such as `entities[3].id`.' }),
  message: z.string().meta({ description: 'What is wrong there, or what the server expects.' }),
});

/** Returns the schema of an error answer with one of these codes. */
export function failureWith(codes: readonly string[], status: number): z.ZodObject {
  const error = failureSchema.shape.error.extend({
    code: z.enum(codes).meta({ description: 'Stable error code, for programs.' }),
    message: z.string().meta({ description: 'Message for people. Its text may change.' }),
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
