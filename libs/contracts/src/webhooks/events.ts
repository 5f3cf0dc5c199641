import { FINAL_STATUSES } from '@bulk/domain';
import { z } from 'zod';
import { instantSchema } from '../rest/schemas.ts';
import { actionUpdateSchema } from '../websocket/frames.ts';

/** Body of a webhook: how an action ended. The same on each repetition. */
export const webhookEventSchema = z.object({
  type: z.enum(FINAL_STATUSES.map((status) => `action.${status}` as const)),
  timestamp: instantSchema.meta({ description: 'When the action ended.' }),
  data: actionUpdateSchema,
});
export type WebhookEvent = z.infer<typeof webhookEventSchema>;

/** Headers of the Standard Webhooks specification (standardwebhooks.com). */
export const WEBHOOK_HEADERS = {
  /** The same on each repetition: by it a receiver recognises one. */
  id: 'webhook-id',
  /** When it was sent, in seconds since 1970. */
  timestamp: 'webhook-timestamp',
  /** `v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`. */
  signature: 'webhook-signature',
} as const;
