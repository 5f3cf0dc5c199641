import { json, ok } from '../answers.ts';
import { actionPathSchema, logPage, one } from '../envelopes.ts';
import { ACTION_ERRORS } from '../errors.ts';
import {
  answered,
  answeredLogPage,
  COMPLETED,
  FAILED,
  LOG_ENTRIES,
  LOG_SUMMARY,
  STATS,
} from '../examples.ts';
import type { Operation } from '../operation.ts';
import {
  accountQuerySchema,
  actionStatsSchema,
  actionViewSchema,
  logsQuerySchema,
  logSummarySchema,
} from '../schemas.ts';

const byId = { pathParameters: actionPathSchema, query: accountQuerySchema, errors: ACTION_ERRORS } as const;

export const GET_ACTION = {
  ...byId,
  method: 'get',
  path: '/bulk-actions/{id}',
  operationId: 'getAction',
  tag: 'Progress',
  summary: 'One action, without its entities',
  description:
    'The action and its counts. `status` is `pending` (accepted; it may wait for `scheduledFor`), `queued`, `processing`, `paused`, or one of the final `completed` (every position has an outcome, whatever it is), `failed` (more positions failed than `maxFailures` tolerates; the rest is skipped, and `reason` says why) and `cancelled`.',
  success: ok(
    'The action.',
    json(one(actionViewSchema), {
      ...answered(COMPLETED),
      failed: { value: { success: true, data: FAILED } },
    }),
  ),
} as const satisfies Operation;

export const GET_ACTION_STATS = {
  ...byId,
  method: 'get',
  path: '/bulk-actions/{id}/stats',
  operationId: 'getActionStats',
  tag: 'Progress',
  summary: 'Progress of an action: counts, percent, rate, estimated end',
  description:
    'Poll this operation only now and then. To get each change, subscribe on the WebSocket (asyncapi.json).',
  success: ok('The progress of the action.', json(one(actionStatsSchema), answered(STATS))),
} as const satisfies Operation;

export const GET_ACTION_LOGS = {
  ...byId,
  method: 'get',
  path: '/bulk-actions/{id}/logs',
  operationId: 'getActionLogs',
  tag: 'Progress',
  summary: 'The outcome of each position, in order',
  description:
    'A page of outcomes. To read all outcomes, also while the action runs, ask without `skip` and continue with `after=<pagination.next>` for as long as `pagination.more` is true. A page of a running action ends before the first position that has no outcome yet, so that no outcome is omitted: it can be empty, and the same request gives more later. Every such page costs the same, whereas `skip` reads what it skips. With `sort=-position` the highest positions come first, and a page of a running action holds the outcomes so far: those that arrive later above `after` are in none of the pages that follow. `skip=0` shows the outcomes so far, whatever is missing between them. `type`, `code`, `id` and `ref` select outcomes. A page with one of them reads a bounded number of outcomes: it can be empty although `more` is true, so continue after `next`. `total` counts the outcomes of `type` and `code` and ignores `id` and `ref`.',
  query: logsQuerySchema,
  success: ok('A page of outcomes.', json(logPage(), answeredLogPage(LOG_ENTRIES))),
} as const satisfies Operation;

export const GET_ACTION_LOG_SUMMARY = {
  ...byId,
  method: 'get',
  path: '/bulk-actions/{id}/logs/summary',
  operationId: 'getActionLogSummary',
  tag: 'Progress',
  summary: 'Counts per outcome, per code and per effect',
  description:
    'The reasons why positions failed or were skipped, with the number of positions for each reason, and successes by what they did.',
  success: ok('The counts.', json(one(logSummarySchema), answered(LOG_SUMMARY))),
} as const satisfies Operation;
