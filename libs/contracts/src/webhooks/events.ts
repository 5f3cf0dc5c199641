import { FINAL_STATUSES } from '@bulk/domain';
import { z } from 'zod';
import { instantSchema } from '../rest/schemas.ts';
import { actionUpdateSchema } from '../websocket/frames.ts';

/** The body of a webhook: how an action ended. Every repetition has the same body. */
export const webhookEventSchema = z.object({
  type: z.enum(FINAL_STATUSES.map((status) => `action.${status}` as const)),
  timestamp: instantSchema.meta({ description: 'When the action ended.' }),
  data: actionUpdateSchema,
});
export type WebhookEvent = z.infer<typeof webhookEventSchema>;

/** Headers of the Standard Webhooks specification (standardwebhooks.com). */
export const WEBHOOK_HEADERS = {
  /** The id of the event. It is the same on each repetition, so a receiver recognises one. */
  id: 'webhook-id',
  /** When the webhook was sent, in seconds since 1970. */
  timestamp: 'webhook-timestamp',
  /** `v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`. */
  signature: 'webhook-signature',
} as const;
