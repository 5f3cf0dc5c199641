import { OPERATIONS } from '@bulk/contracts';
import type { Context } from 'koa';
import { toActionView } from '../actions/action-view.ts';
import type { OperationAnswer } from '../http/bind.ts';
import { quotaHeaders } from '../quotas/quota-headers.ts';
import type { CreateResult } from './create-action.ts';

/**
 * Builds the answer to a request that has created an action, with the URL of the action in
 * `Location`.
 */
export function created(
  ctx: Context,
  { action, replayed, quotas = [] }: CreateResult,
): OperationAnswer<typeof OPERATIONS.createAction> {
  ctx.set(quotaHeaders(quotas, new Date()));
  ctx.set('location', OPERATIONS.getAction.path.replace('{id}', action._id));
  if (replayed) ctx.set('idempotency-replayed', 'true');
  return { data: toActionView(action) };
}
