import { json, ok } from '../answers.ts';
import { one } from '../envelopes.ts';
import { COMMON_ERRORS } from '../errors.ts';
import { answered } from '../examples.ts';
import type { Operation } from '../operation.ts';
import { accountQuerySchema, webhookSecretSchema } from '../schemas.ts';

export const GET_WEBHOOK_SECRET = {
  method: 'get',
  path: '/webhook-secret',
  operationId: 'getWebhookSecret',
  tag: 'Webhooks',
  summary: 'The secret that signs the webhooks of the account',
  description:
    'Use the secret to verify webhooks (`callbackUrl` of POST /bulk-actions) with a library of the Standard Webhooks specification.',
  query: accountQuerySchema,
  success: ok(
    'The secret.',
    json(
      one(webhookSecretSchema),
      answered({ secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=' }),
    ),
  ),
  errors: [...COMMON_ERRORS, 'WEBHOOKS_DISABLED'],
} as const satisfies Operation;
