import { accountIdSchema, actionIdSchema, actionStatusSchema, typeNameSchema } from '@bulk/domain';
import { z } from 'zod';
import { actionStatsSchema, errorBodySchema } from './http.ts';

/** What a client may send, as one JSON text frame. */
export const clientFrameSchema = z.discriminatedUnion('event', [
  z.strictObject({ event: z.literal('subscribe'), data: actionIdSchema }),
  z.strictObject({ event: z.literal('unsubscribe'), data: actionIdSchema }),
]);
export type ClientFrame = z.infer<typeof clientFrameSchema>;

/** The state of an action after a change; `version` rises, so a client can drop what comes late. */
export const actionUpdateSchema = actionStatsSchema.extend({
  accountId: accountIdSchema,
  actionType: typeNameSchema,
  entityType: typeNameSchema,
  status: actionStatusSchema,
  version: z.int().nonnegative(),
});
export type ActionUpdate = z.infer<typeof actionUpdateSchema>;

/** What the server sends. */
export const serverFrameSchema = z.discriminatedUnion('event', [
  z.object({ event: z.literal('subscribed'), data: actionIdSchema }),
  z.object({ event: z.literal('unsubscribed'), data: actionIdSchema }),
  z.object({ event: z.literal('error'), data: errorBodySchema }),
  z.object({ event: z.literal('actionUpdate'), data: actionUpdateSchema }),
]);
export type ServerFrame = z.infer<typeof serverFrameSchema>;
