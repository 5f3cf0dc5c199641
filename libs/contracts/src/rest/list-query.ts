import {
  accountIdSchema,
  ACTION_STATUSES,
  actionStatusSchema,
  laneSchema,
  typeNameSchema,
} from '@bulk/domain';
import { z } from 'zod';
import { pageQueryShape } from './schemas.ts';

/** Fields by which actions can be listed; `-` in front: descending. Each has an index within the account. */
const SORT_FIELDS = ['createdAt', 'finishedAt', 'scheduledFor', 'total'] as const;
export type ActionSortField = (typeof SORT_FIELDS)[number];
export const ACTION_SORTS = SORT_FIELDS.flatMap((field) => [field, `-${field}`] as const);

/** Query of GET /bulk-actions and GET /bulk-actions/status. */
export const listActionsQuerySchema = z.strictObject({
  status: z
    .enum(ACTION_STATUSES, `expected one of ${ACTION_STATUSES.join(', ')}`)
    .optional()
    .meta({ description: 'Only actions in this status.' }),
  actionType: typeNameSchema.optional().meta({ description: 'Only actions of this type, e.g. update.' }),
  entityType: typeNameSchema.optional().meta({ description: 'Only actions on this type, e.g. contact.' }),
  priority: laneSchema.optional().meta({ description: 'Only actions of this lane.' }),
  ...pageQueryShape,
  sort: z
    .enum(ACTION_SORTS, `expected one of ${ACTION_SORTS.join(', ')}`)
    .default('-createdAt')
    .meta({ description: 'Order; "-" in front: descending.' }),
  accountId: accountIdSchema.optional(),
});
export type ListActionsQuery = z.infer<typeof listActionsQuerySchema>;

/** GET /bulk-actions/status/summary: how many actions of the account are in each status. */
export const statusSummarySchema = z.record(actionStatusSchema, z.int().nonnegative());
export type StatusSummary = z.infer<typeof statusSummarySchema>;
