import {
  accountIdSchema,
  ACTION_STATUSES,
  actionIdSchema,
  actionStatusSchema,
  DEFAULT_ENTITY_TYPE,
  DEFAULT_LANE,
  incomingEntitySchema,
  LANES,
  laneSchema,
  outcomeStatusSchema,
  retryOverrideSchema,
  typeNameSchema,
} from '@bulk/domain';
import { z } from 'zod';

/** The first and the last instant that ISO 8601 writes with a year of four digits, in ms. */
const FIRST_INSTANT = Date.parse('0001-01-01T00:00:00Z');
const LAST_INSTANT = Date.parse('9999-12-31T23:59:59.999Z');

/**
 * ISO 8601 with `Z` or an offset; a time without one would mean something else on each machine. In UTC, as answers show
 * it, the instant lies in the years 0001 to 9999.
 */
export const instantSchema = z.iso
  .datetime({
    offset: true,
    error: 'expected an ISO 8601 date and time with an offset, e.g. 2026-11-24T22:00:00Z',
    abort: true,
  })
  .refine((text) => {
    const instant = Date.parse(text);
    return instant >= FIRST_INSTANT && instant <= LAST_INSTANT;
  }, 'expected an instant in the years 0001 to 9999 of UTC')
  .meta({ description: 'ISO 8601 date and time with Z or an offset.' });

const MAX_CALLBACK_URL = 2_048;

/** Where the end of an action is told. Whether this installation may call it is asked elsewhere. */
export const callbackUrlSchema = z
  .string()
  .max(MAX_CALLBACK_URL, `expected at most ${MAX_CALLBACK_URL} characters`)
  .refine(isCallbackUrl, 'expected an http or https URL without credentials and without a fragment');

/** The parameters of a new action: all of the body of POST /bulk-actions but its entities. */
export const actionParametersSchema = z.strictObject({
  actionType: typeNameSchema.meta({ description: 'What to do, e.g. update.' }),
  entityType: typeNameSchema
    .default(DEFAULT_ENTITY_TYPE)
    .meta({ description: 'What to do it to: contact, company, lead, …' }),
  accountId: accountIdSchema.optional().meta({ description: 'The account; or header x-account-id.' }),
  config: z
    .record(z.string(), z.unknown())
    .default({})
    .meta({ description: "The action type's own settings; see its schema." }),
  scheduledFor: instantSchema
    .optional()
    .meta({ description: 'Start not before this instant; a past one: now.' }),
  dryRun: z
    .boolean('expected true or false')
    .default(false)
    .meta({ description: 'Validate and look up everything, change nothing; outcomes as they would be.' }),
  priority: laneSchema.default(DEFAULT_LANE).meta({ description: `The lane: ${LANES.join(', ')}.` }),
  retry: retryOverrideSchema.optional().meta({
    description:
      'How entities whose fault may pass are tried again; what is absent is as the installation has it.',
  }),
  callbackUrl: callbackUrlSchema
    .optional()
    .meta({ description: "Where the action's end is told, by a signed POST.", format: 'uri' }),
});
export type ActionParameters = z.infer<typeof actionParametersSchema>;

/** The JSON body of POST /bulk-actions. */
export const createActionRequestSchema = actionParametersSchema.extend({
  entities: z.array(incomingEntitySchema).min(1, 'expected at least one entity'),
});
export type CreateActionRequest = z.input<typeof createActionRequestSchema>;

/** Instants in answers are ISO 8601 in UTC. */
const answeredInstant = z.iso.datetime();

/** `delivered` and `given-up` are final. */
export const CALLBACK_STATES = ['waiting', 'delivering', 'delivered', 'given-up'] as const;

const countsShape = {
  total: z.int().nonnegative(),
  processed: z.int().nonnegative(),
  success: z.int().nonnegative(),
  failure: z.int().nonnegative(),
  skipped: z.int().nonnegative(),
  percent: z.number().min(0).max(100),
};

/** How far the call of an action's callback URL is. */
export const callbackViewSchema = z.object({
  state: z.enum(CALLBACK_STATES).meta({
    description:
      'waiting (for the end of the action, or for the next try), delivering, delivered, or given-up.',
  }),
  attempts: z.int().nonnegative().meta({ description: 'Tries so far.' }),
  lastAttempt: answeredInstant.nullable(),
  lastError: z
    .string()
    .nullable()
    .meta({ description: 'Why the last try failed; null before one, and after one that went well.' }),
});
export type CallbackView = z.infer<typeof callbackViewSchema>;

/** An action as the API shows it, without its entities. */
export const actionViewSchema = z.object({
  actionId: actionIdSchema,
  accountId: accountIdSchema,
  actionType: typeNameSchema,
  entityType: typeNameSchema,
  priority: laneSchema,
  config: z.record(z.string(), z.unknown()),
  dryRun: z.boolean(),
  retry: retryOverrideSchema.nullable().meta({ description: 'As it was given; null: nothing was.' }),
  retryOf: actionIdSchema
    .nullable()
    .meta({ description: 'The action whose failed positions this one tries again.' }),
  status: actionStatusSchema.meta({ description: ACTION_STATUSES.join(', ') }),
  cancelling: z.boolean().meta({
    description:
      'Cancelled, and the positions that are not processed are being skipped; then it is `cancelled`.',
  }),
  ...countsShape,
  callbackUrl: z.string().nullable(),
  callback: callbackViewSchema.nullable().meta({ description: 'null where there is no callbackUrl.' }),
  scheduledFor: answeredInstant.nullable(),
  createdAt: answeredInstant,
  queuedAt: answeredInstant.nullable(),
  startedAt: answeredInstant.nullable(),
  finishedAt: answeredInstant.nullable(),
});
export type ActionView = z.infer<typeof actionViewSchema>;

/** GET /bulk-actions/:id/stats. */
export const actionStatsSchema = z.object({
  actionId: actionIdSchema,
  status: actionStatusSchema,
  ...countsShape,
  rate: z.number().nullable().meta({ description: 'Positions per second since the first outcome.' }),
  startedAt: answeredInstant.nullable(),
  finishedAt: answeredInstant.nullable(),
  eta: answeredInstant.nullable(),
});
export type ActionStats = z.infer<typeof actionStatsSchema>;

/** One row of GET /bulk-actions/:actionId/logs. */
export const logEntrySchema = z.object({
  position: z.int().nonnegative(),
  entityId: z.string(),
  ref: z.string().nullable(),
  status: outcomeStatusSchema,
  code: z.string().nullable(),
  message: z.string().nullable(),
  attempts: z.int().positive(),
  at: answeredInstant,
});
export type LogEntry = z.infer<typeof logEntrySchema>;

/**
 * The last row of a download of results that is broken off. The connection then ends without the end of the answer, so
 * that no HTTP client takes the text for whole.
 */
export const incompleteResultsSchema = z.object({
  status: z.literal('incomplete'),
  /** An error code of the REST API. */
  code: z.string(),
  message: z.string(),
});
export type IncompleteResults = z.infer<typeof incompleteResultsSchema>;

/** GET /bulk-actions/:actionId/logs/summary. */
export const logSummarySchema = z.object({
  actionId: actionIdSchema,
  success: z.int().nonnegative(),
  failure: z.int().nonnegative(),
  skipped: z.int().nonnegative(),
  codes: z.record(z.string(), z.int().positive()),
});
export type LogSummary = z.infer<typeof logSummarySchema>;

export const MAX_LIMIT = 1000;
export const DEFAULT_LIMIT = 50;

/** Fifteen digits: every number of them is exact. */
const MAX_QUERY_NUMBER = 999_999_999_999_999;

const queryNumber = (what: string) =>
  z
    .string()
    .regex(/^\d{1,15}$/, `expected ${what}`)
    .transform(Number);

/** What a number in a query string is documented as: the number, not its text. */
const documentedAs = (meta: { minimum: number; maximum: number; description: string }) =>
  ({ type: 'integer', ...meta }) as const;

const skipParameter = queryNumber('a whole number from 0');

/** `limit` and `skip` of a collection, as they come in a query string. */
export const pageQueryShape = {
  limit: queryNumber(`a whole number from 1 to ${MAX_LIMIT}`)
    .refine((n) => n >= 1 && n <= MAX_LIMIT, `expected a whole number from 1 to ${MAX_LIMIT}`)
    .default(DEFAULT_LIMIT)
    .meta(documentedAs({ minimum: 1, maximum: MAX_LIMIT, description: 'Most items of a page.' })),
  skip: skipParameter
    .default(0)
    .meta(documentedAs({ minimum: 0, maximum: MAX_QUERY_NUMBER, description: 'Items before the page.' })),
};

/** The account as it comes in a query string. */
export const accountQueryShape = {
  accountId: accountIdSchema.optional().meta({ description: 'The account; or header x-account-id.' }),
};

/**
 * Orders of an action's outcomes. Position is the only one that an index gives in pages that stay as they are: a replay changes
 * the time of an outcome, and for its status there is the filter `type`.
 */
export const LOG_SORTS = ['position', '-position'] as const;

/**
 * Query of GET /bulk-actions/:actionId/logs. With `after`, and without `skip`, a page ends before the first position that
 * has no outcome yet; with `skip` it holds the outcomes so far.
 */
export const logsQuerySchema = z
  .strictObject({
    type: outcomeStatusSchema.optional().meta({ description: 'Only outcomes of this kind.' }),
    limit: pageQueryShape.limit,
    skip: skipParameter.optional().meta(
      documentedAs({
        minimum: 0,
        maximum: MAX_QUERY_NUMBER,
        description:
          'Outcomes before the page, counted among the outcomes so far. While the action runs, pages by `skip` can repeat or omit outcomes.',
      }),
    ),
    after: queryNumber('a position: a whole number from 0')
      .optional()
      .meta(
        documentedAs({
          minimum: 0,
          maximum: MAX_QUERY_NUMBER,
          description:
            'The position that the page follows in the order of `sort`; instead of `skip`. Pages by `after` never repeat an outcome. In ascending order they never omit one either.',
        }),
      ),
    sort: z
      .enum(LOG_SORTS, `expected one of ${LOG_SORTS.join(', ')}`)
      .default('position')
      .meta({ description: 'Order; "-" in front: descending.' }),
    ...accountQueryShape,
  })
  .refine((query) => query.after === undefined || (query.skip ?? 0) === 0, {
    path: ['after'],
    message: 'expected either after or skip, not both',
  });
export type LogsQuery = z.infer<typeof logsQuerySchema>;

/** Query of GET /bulk-actions/:id/results.ndjson. */
export const resultsQuerySchema = z.strictObject({
  type: outcomeStatusSchema.optional().meta({ description: 'Only these outcomes.' }),
  accountId: accountIdSchema.optional(),
});

export type ResultsQuery = z.infer<typeof resultsQuerySchema>;

/** Query of GET /bulk-actions/:id/results.csv. */
export const csvResultsQuerySchema = resultsQuerySchema.extend({
  exact: z
    .enum(['true', 'false'], 'expected true or false')
    .optional()
    .transform((text) => text === 'true')
    .meta({
      description:
        'Writes every value as it is. By default an apostrophe stands before what a spreadsheet would run as a formula. Programs should set it; people who open the file in a spreadsheet should not.',
    }),
});

const EXPECTED_KEY = 'expected 1 to 255 printable ASCII characters without spaces';
/** Header of POST /bulk-actions: the same key and request give the same action. */
export const idempotencyKeySchema = z.object({
  'idempotency-key': z
    .string(EXPECTED_KEY)
    .regex(/^[\x21-\x7e]{1,255}$/, EXPECTED_KEY)
    .meta({
      description: 'The same key and request give the same action; another request with it is refused.',
    }),
});

/** Query of the reads of one action. */
export const accountQuerySchema = z.strictObject(accountQueryShape);

/** Number of actions of a status up to which a list counts them. */
export const MAX_COUNTED = 10_000;

export const paginationSchema = z.object({
  total: z.int().nonnegative(),
  limit: z.int().positive(),
  skip: z.int().nonnegative(),
});
export type Pagination = z.infer<typeof paginationSchema>;

/** `pagination` of the lists of actions. */
export const actionPaginationSchema = paginationSchema.extend({
  atLeast: z
    .literal(true)
    .optional()
    .meta({
      description: `Present if \`total\` is a lower bound: a list counts at most ${MAX_COUNTED} actions of each status.`,
    }),
});
export type ActionPagination = z.infer<typeof actionPaginationSchema>;

/** `pagination` of GET /bulk-actions/:actionId/logs. Without `more` the page is one by `skip`. */
export const logPaginationSchema = paginationSchema.extend({
  more: z.boolean().optional().meta({
    description:
      'Whether outcomes follow this page, or will follow once the action has got further. Absent in pages by `skip`.',
  }),
  next: z.int().nonnegative().optional().meta({
    description:
      'The value of `after` for the next page. Absent although there is `more`: ask again without `after`.',
  }),
});
export type LogPagination = z.infer<typeof logPaginationSchema>;

export const errorBodySchema = z.object({
  code: z.string(),
  message: z.string(),
  details: z.unknown().optional(),
});
export type ErrorBody = z.infer<typeof errorBodySchema>;

/** The envelope of a successful answer. */
export function successSchema<T extends z.ZodType>(data: T) {
  return z.object({ success: z.literal(true), data, pagination: paginationSchema.optional() });
}

/** GET /webhook-secret. */
export const webhookSecretSchema = z.object({
  secret: z.string().meta({ description: "What the account's webhooks are signed with: whsec_…" }),
});

/** The envelope of a refusal. */
export const failureSchema = z.object({ success: z.literal(false), error: errorBodySchema });
export type FailureEnvelope = z.infer<typeof failureSchema>;

function isCallbackUrl(text: string): boolean {
  if (!URL.canParse(text) || text.includes('#')) return false;
  const { protocol, username, password } = new URL(text);
  return (protocol === 'https:' || protocol === 'http:') && username === '' && password === '';
}
