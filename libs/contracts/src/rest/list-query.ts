import {
  accountIdSchema,
  ACTION_STATUSES,
  actionStatusSchema,
  laneSchema,
  typeNameSchema,
} from '@bulk/domain';
import { z } from 'zod';
import { pageQueryShape } from './schemas.ts';

/**
 * Fields that can order a list of actions; a leading `-` means descending. Each field has an index within the account.
 */
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
  entityType: typeNameSchema
    .optional()
    .meta({ description: 'Only actions on this entity type, e.g. contact.' }),
  priority: laneSchema.optional().meta({ description: 'Only actions of this lane.' }),
  ...pageQueryShape,
  sort: z
    .enum(ACTION_SORTS, `expected one of ${ACTION_SORTS.join(', ')}`)
    .default('-createdAt')
    .meta({ description: 'Order of the list; a leading "-" means descending.' }),
  accountId: accountIdSchema.optional(),
});
export type ListActionsQuery = z.infer<typeof listActionsQuerySchema>;

/** GET /bulk-actions/status/summary: the number of the account's actions in each status. */
export const statusSummarySchema = z.record(actionStatusSchema, z.int().nonnegative());
export type StatusSummary = z.infer<typeof statusSummarySchema>;
