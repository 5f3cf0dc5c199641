import Router from '@koa/router';
import {
  accountQuerySchema,
  logsQuerySchema,
  toActionStats,
  type LogSummary,
  type Pagination,
} from '@bulk/contracts';
import { actionIdSchema, InvalidInputError } from '@bulk/domain';
import { progressStateOf, type ActionDocument } from '@bulk/mongo';
import type { Context } from 'koa';
import type { ActionStore } from '../actions/action-store.ts';
import { toActionView } from '../actions/action-view.ts';
import { parseCreateRequest, type CreateAction, type EntityLimits } from '../actions/create-action.ts';
import type { LogReader } from '../logs/log-reader.ts';
import { ACCOUNT_HEADER, resolveAccount } from './account.ts';
import { jsonBody } from './body.ts';
import { actionNotFound } from './refusals.ts';
import { validate } from './validate.ts';

export interface RoutesOptions {
  readonly createAction: CreateAction;
  readonly actions: ActionStore;
  readonly logs: LogReader;
  readonly bodyLimitBytes: number;
  readonly limits: EntityLimits;
  readonly now: () => Date;
}

const BASE = '/bulk-actions';

/** The routes of the REST API. */
export function createRouter(options: RoutesOptions): Router {
  const { createAction, actions, logs, now } = options;
  const router = new Router();

  /** The action that a request names, within the account that it names. */
  const requested = async (ctx: Context, accountParameter: string | undefined): Promise<ActionDocument> => {
    const accountId = accountOf(ctx, accountParameter);
    const actionId = actionIdOf(ctx);
    const action = await actions.find(accountId, actionId);
    if (action === null) throw actionNotFound(actionId);
    return action;
  };
  const byAccountQuery = (ctx: Context): Promise<ActionDocument> =>
    requested(ctx, validate(accountQuerySchema, ctx.query).accountId);

  router.post(BASE, jsonBody(options.bodyLimitBytes), async (ctx) => {
    const request = parseCreateRequest(ctx.request.body, options.limits);
    const accountId = accountOf(ctx, request.parameters.accountId);
    const action = await createAction.execute(accountId, request);
    ctx.status = 202;
    ctx.set('location', `${BASE}/${action._id}`);
    ctx.body = succeeded(toActionView(action));
  });

  router.get(`${BASE}/:id`, async (ctx) => {
    ctx.body = succeeded(toActionView(await byAccountQuery(ctx)));
  });

  router.get(`${BASE}/:id/stats`, async (ctx) => {
    ctx.body = succeeded(toActionStats(progressStateOf(await byAccountQuery(ctx)), now()));
  });

  router.get(`${BASE}/:id/logs`, async (ctx) => {
    const query = validate(logsQuerySchema, ctx.query);
    const { entries, pagination } = await logs.page(await requested(ctx, query.accountId), query);
    ctx.body = succeeded(entries, pagination);
  });

  router.get(`${BASE}/:id/logs/summary`, async (ctx) => {
    const { _id, counts, codes } = await byAccountQuery(ctx);
    const summary: LogSummary = { actionId: _id, ...counts, codes };
    ctx.body = succeeded(summary);
  });

  return router;
}

function accountOf(ctx: Context, parameter: string | undefined): string {
  return resolveAccount({ header: ctx.get(ACCOUNT_HEADER) || undefined, parameter });
}

function actionIdOf(ctx: Context): string {
  const { id } = ctx['params'] as { id?: string };
  const parsed = actionIdSchema.safeParse(id?.toLowerCase());
  if (parsed.success) return parsed.data;
  throw new InvalidInputError('INVALID_ID', 'the id is not that of an action', [
    { field: 'id', message: 'expected a UUID' },
  ]);
}

function succeeded(data: unknown, pagination?: Pagination): Record<string, unknown> {
  return pagination === undefined ? { success: true, data } : { success: true, data, pagination };
}
