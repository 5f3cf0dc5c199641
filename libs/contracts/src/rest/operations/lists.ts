import { ACTION_STATUSES } from '@bulk/domain';
import { json, ok } from '../answers.ts';
import { actionPage, one } from '../envelopes.ts';
import { COMMON_ERRORS } from '../errors.ts';
import { answered, answeredPage, COMPLETED } from '../examples.ts';
import { listActionsQuerySchema, statusSummarySchema } from '../list-query.ts';
import type { Operation } from '../operation.ts';
import { accountQuerySchema, MAX_COUNTED } from '../schemas.ts';

const list = {
  method: 'get',
  tag: 'Actions',
  query: listActionsQuerySchema,
  success: ok('A page of actions.', json(actionPage(), answeredPage([COMPLETED]))),
  errors: COMMON_ERRORS,
} as const;

export const LIST_ACTIONS = {
  ...list,
  path: '/bulk-actions',
  operationId: 'listActions',
  summary: "The account's actions, newest first",
  description: `A page of the actions that fit every filter that is given, without their entities; in another order with \`sort\`. \`pagination.total\` is exact up to ${MAX_COUNTED} actions of a status, and otherwise a lower bound (\`atLeast\`). The list is that of one account. A request that names none gets 400 \`ACCOUNT_REQUIRED\`, which says how to name it: by the header \`x-account-id\`, or by \`accountId\` in the query.`,
} as const satisfies Operation;

export const FIND_ACTIONS = {
  ...list,
  path: '/bulk-actions/status',
  operationId: 'findActions',
  summary: 'Actions by status, type, entity type or priority',
  description: 'The same as GET /bulk-actions, under the name by which some clients ask for a status.',
} as const satisfies Operation;

export const GET_STATUS_SUMMARY = {
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
} as const satisfies Operation;
