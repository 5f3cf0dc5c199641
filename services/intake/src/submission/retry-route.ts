import type Router from '@koa/router';
import { OPERATIONS } from '@bulk/contracts';
import { bind } from '../http/bind.ts';
import type { Budget } from '../http/budget.ts';
import { withRetryBody, type RetryBodyOptions } from '../retries/retry-body.ts';
import { drain } from './body-reader.ts';
import { created } from './created.ts';
import type { RetryAction } from './retry-action.ts';

export interface RetryRouteOptions extends RetryBodyOptions {
  readonly retryAction: RetryAction;
  /** Bounds the requests that stage rows at once. */
  readonly uploads: Budget;
}

/** Adds the route that creates an action of failed positions of another one. */
export function addRetryRoute(router: Router, { retryAction, uploads, ...options }: RetryRouteOptions): void {
  bind(router, OPERATIONS.retryAction, async ({ ctx, accountId, actionId }) => {
    try {
      return await withRetryBody(ctx, accountId, actionId, options, (demand) =>
        uploads.within(accountId, async () =>
          created(ctx, await retryAction.execute(accountId, actionId, demand)),
        ),
      );
    } catch (error) {
      drain(ctx.req);
      throw error;
    }
  });
}
