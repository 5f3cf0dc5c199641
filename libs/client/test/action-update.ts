import type { ActionUpdate } from '@bulk/contracts';

/** Builds the update of an action of which nothing is processed yet. */
export function actionUpdate(more: Partial<ActionUpdate>): ActionUpdate {
  return {
    actionId: '01920f5e-7b2a-7c3d-8e4f-5a6b7c8d9e0a',
    accountId: 'acme',
    actionType: 'update',
    entityType: 'contact',
    status: 'processing',
    version: 0,
    total: 10,
    processed: 0,
    success: 0,
    failure: 0,
    skipped: 0,
    percent: 0,
    rate: null,
    startedAt: null,
    finishedAt: null,
    eta: null,
    ...more,
  };
}
