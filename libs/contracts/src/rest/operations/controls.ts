import { acceptedAction, json, ok } from '../answers.ts';
import { actionPathSchema, one } from '../envelopes.ts';
import { ACTION_ERRORS } from '../errors.ts';
import { ACCEPTED, answered } from '../examples.ts';
import type { Operation } from '../operation.ts';
import { retryRequestSchema } from '../retry-request.ts';
import { accountQuerySchema, actionViewSchema, idempotencyKeySchema } from '../schemas.ts';

export const CANCEL_ACTION = control(
  'cancel',
  'Cancel an action: positions that are not processed yet are skipped',
  'The positions that are not processed yet are skipped within moments (`ACTION_CANCELLED`). Until the last one is skipped, `cancelling` is true. Then the action is `cancelled`, or `completed` if no position was left to skip. An action that is failing (`reason`) stays so: its rest is being skipped already.',
  { ...ACCEPTED, cancelling: true },
);

export const PAUSE_ACTION = control(
  'pause',
  'Pause an action until it is resumed',
  'The batches in flight (at most DISPATCH_IN_FLIGHT_BATCHES) are still processed.',
  { ...ACCEPTED, status: 'paused' },
);

export const RESUME_ACTION = control(
  'resume',
  'Resume a paused action',
  'The action continues where it was paused. If its failure limit has paused it, the limit no longer applies.',
  { ...ACCEPTED, status: 'queued' },
);

export const RETRY_ACTION = {
  method: 'post',
  path: '/bulk-actions/{id}/retry',
  operationId: 'retryAction',
  tag: 'Control',
  summary: 'Try the failed positions of an action again, as a new action',
  description: [
    'Creates a new action from the positions that failed, in their order, with the same config. Its `retryOf` names the',
    'original action. A position that another retry has fixed, or is trying, is left out.',
    '',
    'Without a body, a repeated request gets the same action. With a body, every request is a retry of its own: send it with',
    'an `Idempotency-Key`. `codes` selects failures by their codes. `entities` has corrected rows. With `entities` alone',
    'only these positions are tried; with both, the failures of these codes as well. An entity names its position by',
    '`position` or `ref`. A position that is unknown, named twice, did not fail, or is left out refuses the request.',
  ].join('\n'),
  pathParameters: actionPathSchema,
  query: accountQuerySchema,
  headers: idempotencyKeySchema.partial(),
  body: json(retryRequestSchema, {
    codes: {
      summary: 'Try only the failures of some codes',
      value: { codes: ['VERSION_CONFLICT', 'RETRIES_EXHAUSTED'] },
    },
    corrected: {
      summary: 'Try corrected rows',
      value: {
        entities: [
          { position: 1, email: 'ada@example.com' },
          { ref: 'row 7', id: 'contact-7', city: 'Bonn' },
        ],
      },
    },
  }),
  bodyOptional: true,
  success: acceptedAction('The new action.'),
  errors: [
    ...ACTION_ERRORS,
    'CROSS_SITE_REQUEST',
    'INVALID_JSON',
    'ENTITY_TOO_LARGE',
    'PAYLOAD_TOO_LARGE',
    'UNSUPPORTED_MEDIA_TYPE',
    'INVALID_GZIP',
    'UPLOAD_BROKEN_OFF',
    'REQUEST_TIMEOUT',
    'SERVICE_STOPPING',
    'ACCOUNT_TOO_BUSY',
    'TOO_BUSY',
    'RETRY_IN_PROGRESS',
    'TOO_MANY_RETRIES',
    'IDEMPOTENCY_KEY_REUSED',
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
    description: `${description} A repeated request changes nothing and gets the same answer.`,
    pathParameters: actionPathSchema,
    query: accountQuerySchema,
    success: ok('The action after the change.', json(one(actionViewSchema), answered(example))),
    errors: [...ACTION_ERRORS, 'CROSS_SITE_REQUEST', 'ACTION_STATUS_CONFLICT'],
  } as const satisfies Operation;
}
