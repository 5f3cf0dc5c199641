import {
  accountIdSchema,
  ACTION_STATUSES,
  actionIdSchema,
  actionStatusSchema,
  CHANGES_KEPT,
  changesKeptSchema,
  DEFAULT_ENTITY_TYPE,
  DEFAULT_LANE,
  EFFECTS,
  effectSchema,
  entityChangesSchema,
  incomingEntitySchema,
  LANES,
  laneSchema,
  outcomeStatusSchema,
  retryOverrideSchema,
  typeNameSchema,
} from '@bulk/domain';
import { z } from 'zod';
import { filterTargetShape, filterViewShape } from './filter-target.ts';
import {
  effectsView,
  failureLimitShape,
  failureLimitViewShape,
  reasonView,
} from './failure-limit-schemas.ts';
import { logFilterShape } from './log-filter-schema.ts';

/** The first and the last instant that ISO 8601 writes with a four-digit year, in ms. */
const FIRST_INSTANT = Date.parse('0001-01-01T00:00:00Z');
const LAST_INSTANT = Date.parse('9999-12-31T23:59:59.999Z');

/**
 * An ISO 8601 instant with `Z` or an offset: without an offset it would depend on the machine. In UTC, as answers show
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

/**
 * The URL that is notified of the end of an action. Whether this installation may call the URL is checked elsewhere.
 */
export const callbackUrlSchema = z
  .string()
  .max(MAX_CALLBACK_URL, `expected at most ${MAX_CALLBACK_URL} characters`)
  .refine(isCallbackUrl, 'expected an http or https URL without credentials and without a fragment');

/** Longest name of a field, in UTF-16 units. */
const MAX_FIELD_NAME = 256;

/** The parameters of a new action: the body of POST /bulk-actions without the entities. */
export const actionParametersSchema = z.strictObject({
  actionType: typeNameSchema.meta({ description: 'The action type, e.g. update.' }),
  entityType: typeNameSchema
    .default(DEFAULT_ENTITY_TYPE)
    .meta({ description: 'The entity type: contact, company, lead, …' }),
  accountId: accountIdSchema.optional().meta({ description: 'The account; or header x-account-id.' }),
  config: z
    .record(z.string(), z.unknown())
    .default({})
    .meta({ description: 'Settings of the action type; see its schema.' }),
  scheduledFor: instantSchema.optional().meta({
    description: 'The action does not start before this instant. An instant in the past means now.',
  }),
  dryRun: z
    .boolean('expected true or false')
    .default(false)
    .meta({ description: 'Whether to predict the outcomes without changing anything.' }),
  changes: changesKeptSchema.optional().meta({
    description: `What each outcome keeps of the change: ${CHANGES_KEPT.join(', ')} (the names of the changed fields, or their values before and after). Only an action with \`values\` can be undone. Default: \`values\` in a dry run, else \`none\`.`,
  }),
  matchBy: z
    .string()
    .min(1, 'expected the name of a field')
    .max(MAX_FIELD_NAME, `expected at most ${MAX_FIELD_NAME} characters`)
    .optional()
    .meta({
      description: 'The field whose value finds the entity of each row. Rows then have no `id`.',
    }),
  priority: laneSchema.default(DEFAULT_LANE).meta({ description: `The lane: ${LANES.join(', ')}.` }),
  retry: retryOverrideSchema.optional().meta({
    description:
      'How entities with transient faults are retried. Absent values come from the action type or the installation.',
  }),
  ...failureLimitShape,
  callbackUrl: callbackUrlSchema
    .optional()
    .meta({ description: 'The URL that gets a signed POST when the action ends.', format: 'uri' }),
});
export type ActionParameters = z.infer<typeof actionParametersSchema>;

/** The JSON body of POST /bulk-actions. It has either `entities` or `filter`. */
export const createActionRequestSchema = actionParametersSchema.extend({
  entities: z.array(incomingEntitySchema).min(1, 'expected at least one entity').optional(),
  ...filterTargetShape,
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

/** The state of the call of an action's callback URL. */
export const callbackViewSchema = z.object({
  state: z.enum(CALLBACK_STATES).meta({
    description:
      'waiting (for the end of the action, or for the next try), delivering, delivered, or given-up.',
  }),
  attempts: z.int().nonnegative().meta({ description: 'Number of tries so far.' }),
  lastAttempt: answeredInstant.nullable(),
  lastError: z
    .string()
    .nullable()
    .meta({ description: 'Why the last try failed; null before the first try, and after a successful one.' }),
});
export type CallbackView = z.infer<typeof callbackViewSchema>;

/** Rows of a corrected file that were not tried again. */
const leftOutSchema = z
  .object({
    success: z.int().nonnegative().meta({ description: 'Rows that had succeeded.' }),
    skipped: z.int().nonnegative().meta({ description: 'Rows that had been skipped.' }),
  })
  .meta({
    description: 'The rows of the file that were left out; present in an upload with `retryOf`.',
  });

const afterRetriesSchema = z
  .object({
    actions: z.int().positive().meta({ description: 'Number of its retries, and of the retries of those.' }),
    success: z.int().nonnegative(),
    failure: z.int().nonnegative(),
    skipped: z.int().nonnegative(),
  })
  .meta({
    description:
      'The counts of the action, where a failure that a retry has turned into a success counts as success. Each position counts once. In GET /bulk-actions/{id} of an action that was retried and still has failures of its own.',
  });

/** An action as the API shows it, without its entities. */
export const actionViewSchema = z.object({
  actionId: actionIdSchema,
  accountId: accountIdSchema,
  actionType: typeNameSchema,
  entityType: typeNameSchema,
  priority: laneSchema,
  config: z.record(z.string(), z.unknown()),
  ...filterViewShape,
  dryRun: z.boolean(),
  matchBy: z.string().nullable().meta({
    description: 'The field whose value found the entities of the rows; null if the rows named ids.',
  }),
  retry: retryOverrideSchema
    .nullable()
    .meta({ description: 'The retry policy of the request; null if the request had none.' }),
  retryOf: actionIdSchema
    .nullable()
    .meta({ description: 'The action whose failed positions this one tries again.' }),
  changes: changesKeptSchema.meta({ description: 'What each outcome keeps of the change.' }),
  undoOf: actionIdSchema.nullable().meta({ description: 'The action that this one undoes.' }),
  ...failureLimitViewShape,
  leftOut: leftOutSchema.optional(),
  afterRetries: afterRetriesSchema.optional(),
  status: actionStatusSchema.meta({ description: ACTION_STATUSES.join(', ') }),
  reason: reasonView,
  cancelling: z.boolean().meta({
    description: 'Whether the action was cancelled and its unprocessed positions are still being skipped.',
  }),
  ...countsShape,
  effects: effectsView,
  callbackUrl: z.string().nullable(),
  callback: callbackViewSchema.nullable().meta({ description: 'null if there is no callbackUrl.' }),
  scheduledFor: answeredInstant.nullable(),
  createdAt: answeredInstant,
  queuedAt: answeredInstant.nullable(),
  startedAt: answeredInstant.nullable(),
  finishedAt: answeredInstant.nullable(),
});
export type ActionView = z.infer<typeof actionViewSchema>;

/** The figures of an action's progress, in REST and on the WebSocket. */
export const actionFiguresSchema = z.object({
  actionId: actionIdSchema,
  status: actionStatusSchema,
  ...countsShape,
  rate: z.number().nullable().meta({
    description:
      'Positions per second since the first outcome, without pauses; null before there is a measurable span.',
  }),
  startedAt: answeredInstant.nullable(),
  finishedAt: answeredInstant.nullable(),
  eta: answeredInstant.nullable(),
});
export type ActionFigures = z.infer<typeof actionFiguresSchema>;

/** GET /bulk-actions/:id/stats. */
export const actionStatsSchema = actionFiguresSchema.extend({ reason: reasonView, effects: effectsView });
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
  effect: effectSchema.nullable().meta({
    description: `What a success did to the entity: ${EFFECTS.join(', ')}. null for a failure or a skip, and if the action type does not say.`,
  }),
  version: z.int().positive().nullable().meta({
    description:
      'The version of the entity that the action left; null if it is unknown. It is known of a created entity, of one with an `expectedVersion`, after a relative change, and in a dry run.',
  }),
  changes: entityChangesSchema.nullable().meta({
    description:
      'What the action keeps of the change: `fields`, the names of the changed fields, or `before` and `after`, their values, with null for an absent one. `changesTruncated` means that the values were too large to keep. null for an action with `changes=none`, a failure, a skip, and a record that is unchanged.',
  }),
});
export type LogEntry = z.infer<typeof logEntrySchema>;

/**
 * The last row of a download of results that is cut off. The connection then closes without the end of the answer, so
 * that no HTTP client takes the text for complete.
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
  effects: effectsView,
});
export type LogSummary = z.infer<typeof logSummarySchema>;

export const MAX_LIMIT = 1000;
export const DEFAULT_LIMIT = 50;

/** The largest number of fifteen digits: every number up to it is exact. */
const MAX_QUERY_NUMBER = 999_999_999_999_999;

const queryNumber = (what: string) =>
  z
    .string()
    .regex(/^\d{1,15}$/, `expected ${what}`)
    .transform(Number);

/** Documents a query parameter as a number, although it arrives as text. */
const documentedAs = (meta: { minimum: number; maximum: number; description: string }) =>
  ({ type: 'integer', ...meta }) as const;

const skipParameter = queryNumber('a whole number from 0');

/** `limit` and `skip` of a collection, as query parameters. */
export const pageQueryShape = {
  limit: queryNumber(`a whole number from 1 to ${MAX_LIMIT}`)
    .refine((n) => n >= 1 && n <= MAX_LIMIT, `expected a whole number from 1 to ${MAX_LIMIT}`)
    .default(DEFAULT_LIMIT)
    .meta(
      documentedAs({ minimum: 1, maximum: MAX_LIMIT, description: 'Maximum number of items of the page.' }),
    ),
  skip: skipParameter.default(0).meta(
    documentedAs({
      minimum: 0,
      maximum: MAX_QUERY_NUMBER,
      description: 'Number of items before the page.',
    }),
  ),
};

/** The account, as a query parameter. */
export const accountQueryShape = {
  accountId: accountIdSchema.optional().meta({ description: 'The account; or header x-account-id.' }),
};

/**
 * Orders of an action's outcomes. Position is the only order with an index whose pages never change: a replay changes
 * the time of an outcome, and for its status there is the filter `type`.
 */
export const LOG_SORTS = ['position', '-position'] as const;

/**
 * Query of GET /bulk-actions/:actionId/logs. With `after`, and without `skip`, a page ends before the first position that
 * has no outcome yet; with `skip` it holds the outcomes so far.
 */
export const logsQuerySchema = z
  .strictObject({
    ...logFilterShape,
    limit: pageQueryShape.limit,
    skip: skipParameter.optional().meta(
      documentedAs({
        minimum: 0,
        maximum: MAX_QUERY_NUMBER,
        description:
          'Outcomes before the page, instead of `after`, and not with `code`, `id` or `ref`. They are counted among the outcomes so far. While the action runs, pages by `skip` can repeat or omit outcomes.',
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
      .meta({ description: 'Order of the outcomes; a leading "-" means descending.' }),
    ...accountQueryShape,
  })
  .refine((query) => query.after === undefined || (query.skip ?? 0) === 0, {
    path: ['after'],
    message: 'expected either after or skip, not both',
  })
  .refine(({ skip, code, id, ref }) => skip === undefined || (code ?? id ?? ref) === undefined, {
    path: ['skip'],
    message: 'expected after instead of skip together with code, id or ref',
  });
export type LogsQuery = z.infer<typeof logsQuerySchema>;

/** A line of results.ndjson with `include=input`. */
export const resultWithInputSchema = logEntrySchema.extend({
  input: z
    .record(z.string(), z.unknown())
    .optional()
    .meta({ description: 'The entity as it was read; with `include=input` only.' }),
});
export type ResultWithInput = z.infer<typeof resultWithInputSchema>;

/** Query of GET /bulk-actions/:id/results.ndjson. */
export const resultsQuerySchema = z.strictObject({
  ...logFilterShape,
  include: z.literal('input', 'expected input').optional().meta({
    description:
      'Adds what was sent for each position. A CSV has the columns of the file as they were sent, then `_row`, `_status`, `_code`, `_message`, `_effect`, `_version` and `_id`; a line of NDJSON has `input`.',
  }),
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
        'Whether to write every value unchanged. By default, an apostrophe precedes a value that a spreadsheet would run as a formula. Programs should set `exact`; people who open the file in a spreadsheet should not.',
    }),
});

const EXPECTED_KEY = 'expected 1 to 255 printable ASCII characters without spaces';
/** Header of POST /bulk-actions: the same key and request give the same action. */
export const idempotencyKeySchema = z.object({
  'idempotency-key': z
    .string(EXPECTED_KEY)
    .regex(/^[\x21-\x7e]{1,255}$/, EXPECTED_KEY)
    .meta({
      description:
        'The same key and request give the same action. Another request with the same key is refused.',
    }),
});

/** Query of the operations that read one action. */
export const accountQuerySchema = z.strictObject(accountQueryShape);

/** Maximum number of actions of a status that a list counts. */
export const MAX_COUNTED = 10_000;

export const paginationSchema = z.object({
  total: z.int().nonnegative(),
  limit: z.int().positive(),
  skip: z.int().nonnegative(),
});

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

/** `pagination` of GET /bulk-actions/:actionId/logs. Pages by `skip` have no `more`. */
export const logPaginationSchema = paginationSchema.extend({
  more: z.boolean().optional().meta({
    description:
      'Whether outcomes follow this page, or will follow as the action progresses. Absent in pages by `skip`.',
  }),
  next: z.int().nonnegative().optional().meta({
    description:
      'The value of `after` for the next page. If it is absent although `more` is true, repeat the request without `after`.',
  }),
});
export type LogPagination = z.infer<typeof logPaginationSchema>;

export const errorBodySchema = z.object({
  code: z.string(),
  message: z.string(),
  details: z.unknown().optional(),
});
export type ErrorBody = z.infer<typeof errorBodySchema>;

/** Returns the envelope of a successful answer. */
export function successSchema<T extends z.ZodType>(data: T) {
  return z.object({ success: z.literal(true), data, pagination: paginationSchema.optional() });
}

/** GET /webhook-secret. */
export const webhookSecretSchema = z.object({
  secret: z.string().meta({ description: "The secret that signs the account's webhooks: whsec_…" }),
});

/** The envelope of an error answer. */
export const failureSchema = z.object({ success: z.literal(false), error: errorBodySchema });
export type FailureEnvelope = z.infer<typeof failureSchema>;

function isCallbackUrl(text: string): boolean {
  if (!URL.canParse(text) || text.includes('#')) return false;
  const { protocol, username, password } = new URL(text);
  return (protocol === 'https:' || protocol === 'http:') && username === '' && password === '';
}
