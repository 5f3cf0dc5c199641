import type Router from '@koa/router';
import { OPERATIONS } from '@bulk/contracts';
import { bind } from '../http/bind.ts';
import { created } from './created.ts';
import type { UndoAction } from './undo-action.ts';

export interface UndoRouteOptions {
  readonly undoAction: UndoAction;
}

/** Adds the route that creates an action that undoes another one. */
export function addUndoRoute(router: Router, { undoAction }: UndoRouteOptions): void {
  bind(router, OPERATIONS.undoAction, async ({ ctx, accountId, actionId, query: { dryRun } }) =>
    created(ctx, await undoAction.execute(accountId, actionId, dryRun)),
  );
}
