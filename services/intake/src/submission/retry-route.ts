import type Router from '@koa/router';
import { OPERATIONS } from '@bulk/contracts';
import { bind } from '../http/bind.ts';
import { created } from './created.ts';
import type { RetryAction } from './retry-action.ts';

export interface RetryRouteOptions {
  readonly retryAction: RetryAction;
}

/** Adds the route that creates an action of the failed positions of another one. */
export function addRetryRoute(router: Router, { retryAction }: RetryRouteOptions): void {
  bind(router, OPERATIONS.retryAction, async ({ ctx, accountId, actionId }) =>
    created(ctx, await retryAction.execute(accountId, actionId)),
  );
}
