import { accountIdSchema, actionIdSchema, actionStatusSchema, typeNameSchema } from '@bulk/domain';
import { z } from 'zod';
import { actionFiguresSchema, errorBodySchema, instantSchema } from '../rest/schemas.ts';

/** The frames that a client may send, each as one JSON text frame. */
export const clientFrameSchema = z.discriminatedUnion('event', [
  z.strictObject({ event: z.literal('subscribe'), data: actionIdSchema }),
  z.strictObject({ event: z.literal('unsubscribe'), data: actionIdSchema }),
  z.strictObject({
    event: z.literal('subscribeAccount'),
    /** `since`: actions that finished at or after this instant are shown too; default: none. */
    data: z.strictObject({ since: instantSchema.optional() }).optional(),
  }),
  z.strictObject({ event: z.literal('unsubscribeAccount') }),
]);
export type ClientFrame = z.infer<typeof clientFrameSchema>;

/** The state of an action after a change. `version` rises, so a client can drop late updates. */
export const actionUpdateSchema = actionFiguresSchema.extend({
  /** Absent on a connection that names no account. */
  accountId: accountIdSchema.optional(),
  actionType: typeNameSchema,
  entityType: typeNameSchema,
  status: actionStatusSchema,
  version: z.int().nonnegative(),
});
export type ActionUpdate = z.infer<typeof actionUpdateSchema>;

/** The answer to `subscribeAccount`. `at` is an instant of the server before it read the actions that it then shows. */
export const accountSubscribedSchema = z.object({ accountId: accountIdSchema, at: z.iso.datetime() });
export type AccountSubscribed = z.infer<typeof accountSubscribedSchema>;

/** The frames that the server sends. */
export const serverFrameSchema = z.discriminatedUnion('event', [
  z.object({ event: z.literal('subscribed'), data: actionIdSchema }),
  z.object({ event: z.literal('unsubscribed'), data: actionIdSchema }),
  z.object({ event: z.literal('subscribedAccount'), data: accountSubscribedSchema }),
  z.object({ event: z.literal('unsubscribedAccount'), data: z.object({ accountId: accountIdSchema }) }),
  z.object({ event: z.literal('error'), data: errorBodySchema }),
  z.object({ event: z.literal('actionUpdate'), data: actionUpdateSchema }),
]);
export type ServerFrame = z.infer<typeof serverFrameSchema>;
