import type Router from '@koa/router';
import { OPERATIONS } from '@bulk/contracts';
import { bind } from '../http/bind.ts';
import type { Budget } from '../http/budget.ts';
import { created } from './created.ts';
import type { UndoAction } from './undo-action.ts';

export interface UndoRouteOptions {
  readonly undoAction: UndoAction;
  /** Bounds the requests that stage rows at once. */
  readonly uploads: Budget;
}

/** Adds the route that creates an action that undoes another one. */
export function addUndoRoute(router: Router, { undoAction, uploads }: UndoRouteOptions): void {
  bind(router, OPERATIONS.undoAction, ({ ctx, accountId, actionId, query: { dryRun } }) =>
    uploads.within(accountId, async () =>
      created(ctx, await undoAction.execute(accountId, actionId, dryRun)),
    ),
  );
}
