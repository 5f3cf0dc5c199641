import type { Pagination } from '@bulk/contracts';
import { actionIdSchema, InvalidInputError } from '@bulk/domain';
import type { Context } from 'koa';

/** Path of the actions. */
export const BASE = '/bulk-actions';

/** The id in the path. @throws InvalidInputError `INVALID_ID`. */
export function actionIdOf(ctx: Context): string {
  const { id } = ctx['params'] as { id?: string };
  const parsed = actionIdSchema.safeParse(id?.toLowerCase());
  if (parsed.success) return parsed.data;
  throw new InvalidInputError('INVALID_ID', 'the id is not that of an action', [
    { field: 'id', message: 'expected a UUID' },
  ]);
}

/** The envelope of a successful answer. */
export function succeeded(data: unknown, pagination?: Pagination): Record<string, unknown> {
  return pagination === undefined ? { success: true, data } : { success: true, data, pagination };
}
