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
  description: `A page of the actions that match every given filter, without their entities. \`sort\` selects another order. \`pagination.total\` is exact up to ${MAX_COUNTED} actions of a status, and otherwise a lower bound (\`atLeast\`). The list shows one account. A request that names no account gets 400 \`ACCOUNT_REQUIRED\`. Name the account by the header \`x-account-id\`, or by \`accountId\` in the query.`,
} as const satisfies Operation;

export const FIND_ACTIONS = {
  ...list,
  path: '/bulk-actions/status',
  operationId: 'findActions',
  summary: 'Actions by status, type, entity type or priority',
  description: 'The same as GET /bulk-actions, at a path that some clients expect for queries by status.',
} as const satisfies Operation;

export const GET_STATUS_SUMMARY = {
  method: 'get',
  path: '/bulk-actions/status/summary',
  operationId: 'getStatusSummary',
  tag: 'Actions',
  summary: 'Number of actions in each status',
  description: "The number of the account's actions in each status; 0 if there is none.",
  query: accountQuerySchema,
  success: ok(
    'The number of actions in each status.',
    json(
      one(statusSummarySchema),
      answered(Object.fromEntries(ACTION_STATUSES.map((s) => [s, s === 'completed' ? 12 : 0]))),
    ),
  ),
  errors: COMMON_ERRORS,
} as const satisfies Operation;
