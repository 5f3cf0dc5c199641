import type Router from '@koa/router';
import { OPERATIONS, toActionStats, type ListActionsQuery } from '@bulk/contracts';
import { reasonOf } from '@bulk/domain';
import { progressStateOf } from '@bulk/mongo';
import type { ActionStore } from '../actions/action-store.ts';
import { toActionView } from '../actions/action-view.ts';
import type { RetryChain } from '../retries/retry-chain.ts';
import { bind, type OperationAnswer } from '../http/bind.ts';

export interface ReadRoutesOptions {
  readonly actions: ActionStore;
  readonly chain: RetryChain;
  readonly now: () => Date;
}

/** Adds the routes that read actions. */
export function addReadRoutes(router: Router, { actions, chain, now }: ReadRoutesOptions): void {
  const list = async (request: {
    readonly accountId: string;
    readonly query: ListActionsQuery;
  }): Promise<OperationAnswer<typeof OPERATIONS.listActions>> => {
    const { accountId, query } = request;
    const page = await actions.list(accountId, query);
    const { limit, skip } = query;
    return {
      data: page.actions.map(toActionView),
      pagination: { total: page.total, limit, skip, ...(page.atLeast ? { atLeast: true } : {}) },
    };
  };
  bind(router, OPERATIONS.listActions, list);
  bind(router, OPERATIONS.findActions, list);

  bind(router, OPERATIONS.getStatusSummary, async ({ accountId }) => ({
    data: await actions.summary(accountId),
  }));

  bind(router, OPERATIONS.getAction, async ({ accountId, actionId }) => {
    const action = await actions.get(accountId, actionId);
    const afterRetries = await chain.totals(action);
    return { data: { ...toActionView(action), ...(afterRetries === undefined ? {} : { afterRetries }) } };
  });

  bind(router, OPERATIONS.getActionStats, async ({ accountId, actionId }) => {
    const action = await actions.get(accountId, actionId);
    const reason = reasonOf(action.failureLimit, action.status === 'paused');
    const figures = toActionStats(progressStateOf(action), now());
    return { data: { ...figures, reason, effects: action.effects ?? null } };
  });

  bind(router, OPERATIONS.getActionLogSummary, async ({ accountId, actionId }) => {
    const { _id, counts, codes, effects = null } = await actions.get(accountId, actionId);
    return { data: { actionId: _id, ...counts, codes, effects } };
  });
}
