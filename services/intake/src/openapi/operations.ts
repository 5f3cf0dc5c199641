import {
  accountQuerySchema,
  actionStatsSchema,
  actionViewSchema,
  logEntrySchema,
  logsQuerySchema,
  logSummarySchema,
} from '@bulk/contracts';
import { createRequestSchema, type Catalog } from './catalog.ts';
import { ACTION_ERRORS, COMMON_ERRORS } from './errors.ts';
import {
  ACCEPTED,
  answered,
  answeredPage,
  COMPLETED,
  LOG_ENTRIES,
  LOG_SUMMARY,
  REQUESTS,
  STATS,
} from './examples.ts';
import type { Body, Example, Operation, Success } from './operation.ts';
import { actionPathSchema, locationHeaderSchema, one, page } from './schemas.ts';

/** Every operation of the REST API that is there, in the order in which the documentation shows them. */
export function operationsOf(catalog: Catalog): Operation[] {
  return [createAction(catalog), ...READS];
}

function createAction(catalog: Catalog): Operation {
  const known = new Set(catalog.actionTypes.map(({ name }) => name));
  const examples = Object.entries(REQUESTS).filter(([, { value }]) => known.has(value.actionType));
  return {
    method: 'post',
    path: '/bulk-actions',
    operationId: 'createAction',
    tag: 'Actions',
    summary: 'Start a bulk action',
    description: [
      'Accepts one change of many entities. After the 202 every position of `entities` gets exactly one outcome,',
      'whatever happens to our machines; a refused request leaves nothing behind.',
      '',
      'What is wrong with the request is answered here, with every field at fault. What is wrong with one entity (it',
      "does not exist, a field of it is unknown or of the wrong type) is that entity's outcome and found in the logs.",
      'An entity that is named twice is changed once: the first position counts, the others are skipped.',
      '',
      ...catalogText(catalog),
    ].join('\n'),
    body: {
      'application/json': {
        schema: createRequestSchema(catalog),
        examples: Object.fromEntries(examples),
      },
    },
    success: acceptedAction('The action is accepted and will be carried out.'),
    errors: [
      ...COMMON_ERRORS,
      'INVALID_JSON',
      'INVALID_CONFIG',
      'UNKNOWN_ACTION_TYPE',
      'UNKNOWN_ENTITY_TYPE',
      'ENTITY_TOO_LARGE',
      'REQUEST_TIMEOUT',
      'PAYLOAD_TOO_LARGE',
      'UNSUPPORTED_MEDIA_TYPE',
    ],
  };
}

/** What an installation can do, for the description of the operation that has it done. */
function catalogText({ actionTypes, entityTypes }: Catalog): string[] {
  const actions = actionTypes.map(({ name, config }) => `\`${name}\` (${config.name})`);
  const entities = entityTypes.map(
    ({ name, record, patch }) => `\`${name}\` (${record.name}, ${patch.name})`,
  );
  return [
    `**Action types**, with the schemas of their \`config\`: ${actions.join(', ')}.`,
    '',
    `**Entity types**, with the schemas of a whole entity and of some of its fields: ${entities.join(', ')}.`,
    '',
    'These schemas are at the end of this page.',
  ];
}

const byId = { pathParameters: actionPathSchema, query: accountQuerySchema, errors: ACTION_ERRORS } as const;

const READS: readonly Operation[] = [
  {
    ...byId,
    method: 'get',
    path: '/bulk-actions/{id}',
    operationId: 'getAction',
    tag: 'Progress',
    summary: 'One action, without its entities',
    description:
      'The action and its counts. `status` is `pending` (accepted; perhaps waiting for `scheduledFor`), `queued`, `processing`, `paused`, or one of the final `completed` (every position has an outcome, whatever it is), `failed` (cannot be carried out) and `cancelled`.',
    success: ok('The action.', json(one(actionViewSchema), answered(COMPLETED))),
  },
  {
    ...byId,
    method: 'get',
    path: '/bulk-actions/{id}/stats',
    operationId: 'getActionStats',
    tag: 'Progress',
    summary: 'How far an action is: counts, percent, rate, estimated end',
    description:
      'To be asked now and then. To be told of each change instead, subscribe on the WebSocket (asyncapi.json).',
    success: ok('The figures.', json(one(actionStatsSchema), answered(STATS))),
  },
  {
    ...byId,
    method: 'get',
    path: '/bulk-actions/{id}/logs',
    operationId: 'getActionLogs',
    tag: 'Progress',
    summary: 'The outcome of each position, in order',
    description:
      'A page of outcomes. For deep pages, `after=<position of the last entry>` costs the same on every page, whereas `skip` reads what it skips.',
    query: logsQuerySchema,
    success: ok('A page of outcomes.', json(page(logEntrySchema), answeredPage(LOG_ENTRIES))),
  },
  {
    ...byId,
    method: 'get',
    path: '/bulk-actions/{id}/logs/summary',
    operationId: 'getActionLogSummary',
    tag: 'Progress',
    summary: 'Counts per outcome and per code',
    description: 'Why positions failed or were skipped, and how many for each reason.',
    success: ok('The counts.', json(one(logSummarySchema), answered(LOG_SUMMARY))),
  },
];

/** An answer of 200. */
export function ok(description: string, content: Readonly<Record<string, Body>>): Success {
  return { status: 200, description, content };
}

/** A body in JSON. */
export function json(
  schema: Body['schema'],
  examples: Readonly<Record<string, Example>>,
): Record<string, Body> {
  return { 'application/json': { schema, examples } };
}

/** An answer with a new action: its URL in `Location`, and what can be asked about it. */
export function acceptedAction(description: string): Success {
  const parameters = { id: '$response.body#/data/actionId' };
  const links = Object.fromEntries(
    READS.map(({ operationId }) => [operationId, { operationId, parameters }]),
  );
  return {
    status: 202,
    description,
    content: json(one(actionViewSchema), answered(ACCEPTED)),
    headers: locationHeaderSchema,
    links,
  };
}
