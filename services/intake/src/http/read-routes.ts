import type Router from '@koa/router';
import {
  accountQuerySchema,
  listActionsQuerySchema,
  toActionStats,
  type ActionPagination,
  type LogSummary,
} from '@bulk/contracts';
import { progressStateOf } from '@bulk/mongo';
import type { Context } from 'koa';
import type { AccountAction, ActionStore } from '../actions/action-store.ts';
import { toActionView } from '../actions/action-view.ts';
import { actionNotFound } from '../actions/refusals.ts';
import { accountOf } from './admission.ts';
import { actionIdOf, BASE, succeeded } from './context.ts';
import { validate } from './validate.ts';

export interface ReadRoutesOptions {
  readonly actions: ActionStore;
  readonly now: () => Date;
}

/** What there is to know of actions. */
export function addReadRoutes(router: Router, { actions, now }: ReadRoutesOptions): void {
  const byAccountQuery = (ctx: Context): Promise<AccountAction> =>
    requestedAction(ctx, actions, validate(accountQuerySchema, ctx.query).accountId);

  const list = async (ctx: Context): Promise<void> => {
    const query = validate(listActionsQuerySchema, ctx.query);
    const page = await actions.list(await accountOf(ctx, query.accountId), query);
    const { limit, skip } = query;
    const pagination: ActionPagination = {
      total: page.total,
      limit,
      skip,
      ...(page.atLeast ? { atLeast: true } : {}),
    };
    ctx.body = succeeded(page.actions.map(toActionView), pagination);
  };
  router.get(BASE, list);
  router.get(`${BASE}/status`, list);

  router.get(`${BASE}/status/summary`, async (ctx) => {
    const { accountId } = validate(accountQuerySchema, ctx.query);
    ctx.body = succeeded(await actions.summary(await accountOf(ctx, accountId)));
  });

  router.get(`${BASE}/:id`, async (ctx) => {
    ctx.body = succeeded(toActionView(await byAccountQuery(ctx)));
  });

  router.get(`${BASE}/:id/stats`, async (ctx) => {
    ctx.body = succeeded(toActionStats(progressStateOf(await byAccountQuery(ctx)), now()));
  });

  router.get(`${BASE}/:id/logs/summary`, async (ctx) => {
    const { _id, counts, codes } = await byAccountQuery(ctx);
    const summary: LogSummary = { actionId: _id, ...counts, codes };
    ctx.body = succeeded(summary);
  });
}

/**
 * The action that a request names, within the account that it names.
 *
 * @throws InvalidInputError; RefusedError `ACTION_NOT_FOUND`; StoreError.
 */
export async function requestedAction(
  ctx: Context,
  actions: ActionStore,
  accountParameter: string | undefined,
): Promise<AccountAction> {
  const accountId = await accountOf(ctx, accountParameter);
  const actionId = actionIdOf(ctx);
  const action = await actions.find(accountId, actionId);
  if (action === null) throw actionNotFound(actionId);
  return action;
}
