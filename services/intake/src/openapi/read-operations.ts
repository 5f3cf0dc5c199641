import {
  accountQuerySchema,
  actionStatsSchema,
  actionViewSchema,
  logEntrySchema,
  logsQuerySchema,
  logSummarySchema,
} from '@bulk/contracts';
import { json, ok } from './answers.ts';
import { ACTION_ERRORS } from './errors.ts';
import { answered, answeredPage, COMPLETED, LOG_ENTRIES, LOG_SUMMARY, STATS } from './examples.ts';
import type { Operation } from './operation.ts';
import { actionPathSchema, one, page } from './schemas.ts';

const byId = { pathParameters: actionPathSchema, query: accountQuerySchema, errors: ACTION_ERRORS } as const;

/** What there is to know of one action. */
export const READS: readonly Operation[] = [
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
