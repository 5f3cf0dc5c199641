import type Router from '@koa/router';
import { OPERATIONS } from '@bulk/contracts';
import { toActionView } from '../actions/action-view.ts';
import { bind } from '../http/bind.ts';
import type { ActionControl } from './action-control.ts';

export interface ControlRoutesOptions {
  readonly control: ActionControl;
}

/** Adds the routes that control an accepted action. None of these operations reads a body. */
export function addControlRoutes(router: Router, { control }: ControlRoutesOptions): void {
  bind(router, OPERATIONS.cancelAction, async ({ accountId, actionId }) => ({
    data: toActionView(await control.cancel(accountId, actionId)),
  }));
  bind(router, OPERATIONS.pauseAction, async ({ accountId, actionId }) => ({
    data: toActionView(await control.pause(accountId, actionId)),
  }));
  bind(router, OPERATIONS.resumeAction, async ({ accountId, actionId }) => ({
    data: toActionView(await control.resume(accountId, actionId)),
  }));
}
