import { z } from 'zod';
import { acceptedAction } from '../answers.ts';
import { actionPathSchema } from '../envelopes.ts';
import { ACTION_ERRORS } from '../errors.ts';
import { ACCEPTED } from '../examples.ts';
import type { Operation } from '../operation.ts';
import { accountQuerySchema } from '../schemas.ts';

/** An undo just after its acceptance. */
const ACCEPTED_UNDO: typeof ACCEPTED = {
  ...ACCEPTED,
  actionId: '0193a3c9-1f2e-7d3c-8b4a-5c6d7e8f9a0b',
  actionType: 'undo',
  config: {},
  changes: 'values',
  undoOf: ACCEPTED.actionId,
};

/** Query of POST /bulk-actions/:id/undo. */
const undoQuerySchema = accountQuerySchema.extend({
  dryRun: z
    .enum(['true', 'false'], 'expected true or false')
    .optional()
    .transform((text) => text === 'true')
    .meta({ description: 'Whether to predict the outcomes of the undo without changing anything.' }),
});

export const UNDO_ACTION = {
  method: 'post',
  path: '/bulk-actions/{id}/undo',
  operationId: 'undoAction',
  tag: 'Control',
  summary: 'Put back what was there before an action, as a new action',
  description:
    'Creates a new action with a position for each record that the action has created, updated or deleted. Its `undoOf` names the undone action. A record is put back only if it still has the version that the action left; otherwise its outcome is the failure `CHANGED_SINCE`. A repeated request gets the same action, until a replay of dead letters changes the number of successes. A dry run may be repeated. The undo keeps values, so that it can be undone too. The action must have run with `changes=values`.',
  pathParameters: actionPathSchema,
  query: undoQuerySchema,
  success: acceptedAction('The new action.', ACCEPTED_UNDO),
  errors: [
    ...ACTION_ERRORS,
    'CROSS_SITE_REQUEST',
    'ACTION_NOT_FINISHED',
    'UNDO_EXPIRED',
    'IDEMPOTENCY_IN_PROGRESS',
    'QUOTA_EXCEEDED',
    'ACCOUNT_TOO_BUSY',
    'TOO_BUSY',
    'NOTHING_TO_UNDO',
    'CHANGES_NOT_KEPT',
    'DRY_RUN_NOT_UNDOABLE',
    { code: 'WEBHOOKS_DISABLED', status: 422 },
    'CALLBACK_URL_FORBIDDEN',
  ],
} as const satisfies Operation;
