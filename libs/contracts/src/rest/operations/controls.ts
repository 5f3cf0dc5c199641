import { acceptedAction, json, ok } from '../answers.ts';
import { actionPathSchema, one } from '../envelopes.ts';
import { ACTION_ERRORS } from '../errors.ts';
import { ACCEPTED, answered } from '../examples.ts';
import type { Operation } from '../operation.ts';
import { accountQuerySchema, actionViewSchema } from '../schemas.ts';

export const CANCEL_ACTION = control(
  'cancel',
  'Stop an action: what is not processed yet is skipped',
  'Within moments the positions that are not processed yet are skipped (`ACTION_CANCELLED`); until the last one is, `cancelling` is true. Then the action is `cancelled`, or `completed` where there was nothing left to skip.',
  { ...ACCEPTED, cancelling: true },
);

export const PAUSE_ACTION = control(
  'pause',
  'Hold an action until it is resumed',
  'What is in flight (at most DISPATCH_IN_FLIGHT_BATCHES batches) is still processed.',
  { ...ACCEPTED, status: 'paused' },
);

export const RESUME_ACTION = control(
  'resume',
  'Go on with an action that was paused',
  'It goes on where it stood.',
  { ...ACCEPTED, status: 'queued' },
);

export const RETRY_ACTION = {
  method: 'post',
  path: '/bulk-actions/{id}/retry',
  operationId: 'retryAction',
  tag: 'Control',
  summary: 'Try the failed positions of an action again, as a new action',
  description:
    'Makes a new action of the positions that failed, in their order, with the same config; its `retryOf` names the one it comes from. An action has one retry: asked for again, the same one is the answer. What fails once more is tried again by a retry of the retry.',
  pathParameters: actionPathSchema,
  query: accountQuerySchema,
  success: acceptedAction('The new action.'),
  errors: [
    ...ACTION_ERRORS,
    'CROSS_SITE_REQUEST',
    'ACTION_NOT_FINISHED',
    'RETRY_EXPIRED',
    'IDEMPOTENCY_IN_PROGRESS',
    'QUOTA_EXCEEDED',
    'NOTHING_TO_RETRY',
    { code: 'WEBHOOKS_DISABLED', status: 422 },
    'CALLBACK_URL_FORBIDDEN',
  ],
} as const satisfies Operation;

function control(
  verb: 'cancel' | 'pause' | 'resume',
  summary: string,
  description: string,
  example: typeof ACCEPTED,
) {
  return {
    method: 'post',
    path: `/bulk-actions/{id}/${verb}`,
    operationId: `${verb}Action`,
    tag: 'Control',
    summary,
    description: `${description} Asked for again, it changes nothing and gives the same answer.`,
    pathParameters: actionPathSchema,
    query: accountQuerySchema,
    success: ok('The action after it.', json(one(actionViewSchema), answered(example))),
    errors: [...ACTION_ERRORS, 'CROSS_SITE_REQUEST', 'ACTION_STATUS_CONFLICT'],
  } as const satisfies Operation;
}
