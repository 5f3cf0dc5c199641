import {
  accountQuerySchema,
  accountQueryShape,
  actionParametersSchema,
  actionViewSchema,
  pageQueryShape,
} from '@bulk/contracts';
import {
  ACTION_STATUSES,
  actionStatusSchema,
  laneSchema,
  outcomeStatusSchema,
  typeNameSchema,
} from '@bulk/domain';
import { z } from 'zod';
import { ACTION_ERRORS, COMMON_ERRORS } from './errors.ts';
import { ACCEPTED, answered, answeredPage, COMPLETED, LOG_ENTRIES } from './examples.ts';
import { acceptedAction, json, ok } from './operations.ts';
import type { Body, Operation } from './operation.ts';
import { actionPathSchema, one, page } from './schemas.ts';

const byId = { pathParameters: actionPathSchema, query: accountQuerySchema } as const;

const SORTS = ['created', 'finished', 'scheduledFor', 'total'].flatMap((field) => [field, `-${field}`]);

const listQuerySchema = z.strictObject({
  ...pageQueryShape,
  sort: z.enum(SORTS).default('-created').meta({ description: 'A field, with `-` in front: descending.' }),
  ...accountQueryShape,
});

const statusQuerySchema = listQuerySchema.extend({
  status: actionStatusSchema.optional(),
  actionType: typeNameSchema.optional(),
  entityType: typeNameSchema.optional(),
  priority: laneSchema.optional(),
});

const statusSummarySchema = z.object(
  Object.fromEntries(ACTION_STATUSES.map((status) => [status, z.int().nonnegative()])),
);

/** What others are adding at this moment; each goes into `operationsOf` with its routes. */
export const PENDING: readonly Operation[] = [
  {
    method: 'get',
    path: '/bulk-actions',
    operationId: 'listActions',
    tag: 'Actions',
    summary: "The account's actions, newest first",
    description: 'A page of actions, without their entities.',
    query: listQuerySchema,
    success: ok('A page of actions.', json(page(actionViewSchema), answeredPage([COMPLETED]))),
    errors: COMMON_ERRORS,
  },
  {
    method: 'get',
    path: '/bulk-actions/status',
    operationId: 'findActions',
    tag: 'Actions',
    summary: 'Actions by status, type, entity type or priority',
    description: 'A page of the actions that fit every filter that is given.',
    query: statusQuerySchema,
    success: ok('A page of actions.', json(page(actionViewSchema), answeredPage([COMPLETED]))),
    errors: COMMON_ERRORS,
  },
  {
    method: 'get',
    path: '/bulk-actions/status/summary',
    operationId: 'getStatusSummary',
    tag: 'Actions',
    summary: 'Number of actions in each status',
    description: "The account's actions, counted by status; 0 where there is none.",
    query: accountQuerySchema,
    success: ok(
      'The numbers.',
      json(
        one(statusSummarySchema),
        answered(Object.fromEntries(ACTION_STATUSES.map((s) => [s, s === 'completed' ? 12 : 0]))),
      ),
    ),
    errors: COMMON_ERRORS,
  },
  control('cancel', 'Stop an action: what is not processed yet is skipped', {
    ...ACCEPTED,
    cancelling: true,
  }),
  control('pause', 'Hold an action until it is resumed', { ...ACCEPTED, status: 'paused' }),
  control('resume', 'Go on with an action that was paused', { ...ACCEPTED, status: 'queued' }),
  {
    ...byId,
    method: 'post',
    path: '/bulk-actions/{id}/retry',
    operationId: 'retryAction',
    tag: 'Control',
    summary: 'Try the failed positions of an action again, as a new action',
    description:
      'Makes a new action of the positions that failed, with the same config. Its `retryOf` names the one it comes from.',
    success: acceptedAction('The new action.'),
    errors: [...ACTION_ERRORS, 'ACTION_NOT_FINISHED', 'RETRY_EXPIRED', 'NOTHING_TO_RETRY'],
  },
  results('csv', 'text/csv', csvExample()),
  results('ndjson', 'application/x-ndjson', LOG_ENTRIES.map((entry) => JSON.stringify(entry)).join('\n')),
  {
    method: 'get',
    path: '/webhook-secret',
    operationId: 'getWebhookSecret',
    tag: 'Webhooks',
    summary: 'The secret that signs the webhooks of the account',
    description: 'To verify webhooks with a library of the Standard Webhooks specification.',
    query: accountQuerySchema,
    success: ok(
      'The secret.',
      json(
        one(z.object({ secret: z.string().regex(/^whsec_/) })),
        answered({ secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw' }),
      ),
    ),
    errors: [...COMMON_ERRORS, 'WEBHOOKS_DISABLED'],
  },
];

function control(verb: 'cancel' | 'pause' | 'resume', summary: string, example: typeof ACCEPTED): Operation {
  return {
    ...byId,
    method: 'post',
    path: `/bulk-actions/{id}/${verb}`,
    operationId: `${verb}Action`,
    tag: 'Control',
    summary,
    description: 'Asked for again, it changes nothing and gives the same answer.',
    success: ok('The action after it.', json(one(actionViewSchema), answered(example))),
    errors: [...ACTION_ERRORS, 'ACTION_STATUS_CONFLICT'],
  };
}

function results(format: 'csv' | 'ndjson', mediaType: string, example: string): Operation {
  return {
    ...byId,
    method: 'get',
    path: `/bulk-actions/{id}/results.${format}`,
    operationId: `downloadResults${format === 'csv' ? 'Csv' : 'Ndjson'}`,
    tag: 'Progress',
    summary: `All outcomes of an action as ${format.toUpperCase()}, streamed`,
    description: 'One line for each position that has an outcome, in order.',
    query: accountQuerySchema.extend({ type: outcomeStatusSchema.optional() }),
    success: ok('The outcomes.', {
      [mediaType]: { schema: z.string(), examples: { answer: { value: example } } },
    }),
    errors: ACTION_ERRORS,
  };
}

function csvExample(): string {
  const lines = LOG_ENTRIES.map((entry) => Object.values(entry).join(','));
  return [Object.keys(LOG_ENTRIES[0] ?? {}).join(','), ...lines].join('\n');
}

/** POST /bulk-actions with uploads in CSV and NDJSON, gzip, idempotency keys and callbacks. */
export function withUploads(create: Operation): Operation {
  const { config, ...parameters } = actionParametersSchema.shape;
  const upload = (example: string): Body => ({
    schema: z.string().meta({ description: 'Streamed: its size has no limit but MAX_ENTITIES.' }),
    examples: { upload: { value: example } },
  });
  return {
    ...create,
    query: z.strictObject({
      ...z.object(parameters).partial().shape,
      config: z
        .string()
        .optional()
        .meta({ description: `As JSON text. ${config.description ?? ''}` }),
    }),
    headers: z.object({
      'idempotency-key': z.string().max(255).optional().meta({
        description: 'Repeating a request with its key starts nothing new and gives the same answer.',
      }),
      'content-encoding': z.enum(['gzip', 'identity']).optional().meta({ description: 'Of the body.' }),
    }),
    body: {
      ...create.body,
      'text/csv': upload('id,ownerId\ncontact-1,user-7\ncontact-2,user-8\n'),
      'application/x-ndjson': upload('{"id":"contact-1","ownerId":"user-7"}\n{"id":"contact-2"}\n'),
    },
    errors: [
      ...create.errors,
      'IDEMPOTENCY_KEY_REUSED',
      'IDEMPOTENCY_IN_PROGRESS',
      'CALLBACK_URL_FORBIDDEN',
      { code: 'WEBHOOKS_DISABLED', status: 422 },
    ],
  };
}
